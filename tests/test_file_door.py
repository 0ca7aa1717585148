"""Every command that reads a file: pipes, devices, folders, deep and hostile JSON end in a sentence and exit code 2."""

import json
import os

import pytest

from command_line import run

COMMANDS = {
    "verify": ["verify", "{}"],
    "solve": ["solve", "{}", "--top-k", "1"],
    "audit": ["audit", "topk", "--trace", "{}"],
    "audit of loads": ["audit", "--role", "placer", "eplb", "--trace", "{}"],
    "baseline": ["audit", "topk", "--baseline", "{}"],
    "replay": ["replay", "{}"],
    "study": ["study", "run", "{}"],
    "place": ["place", "{}", "--slots", "8", "--devices", "4"],
    "export": ["export", "{}", "--to", "sglang", "-o", "out.json"],
}


@pytest.fixture(
    params=["pipe.json", "device.json", "folder.json", "deep.json", "twice.json", "hostile.json", "digits.json"]
)
def strange(request, tmp_path):
    path = tmp_path / request.param
    if path.stem == "pipe":
        if not hasattr(os, "mkfifo"):
            pytest.skip("this system has no named pipes")
        os.mkfifo(path)
    elif path.stem == "device":
        if not os.path.exists("/dev/zero"):
            pytest.skip("this system has no /dev/zero")
        path.symlink_to("/dev/zero")
    elif path.stem == "folder":
        path.mkdir()
    else:
        path.write_text(
            {
                "deep": "[" * 100_000 + "]" * 100_000,
                "twice": '{"schema": "equipoise-problem/2", "schema": "equipoise-problem/2", "kind": "assignment"}',
                "hostile": json.dumps(
                    {"\x1b[31mred\x07": [[1, 2]], "kind": "\x1b[2J", "schema": "\x1b[31m", "format": 3}
                ),
                "digits": '{"scores": [[' + "9" * 5_000 + ', 1]], "top_k": 1}',
            }[path.stem]
        )
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_that_is_none_is_refused_in_one_sentence_without_waiting(command, strange, tmp_path):
    done = run(tmp_path, *(word.format(strange) for word in COMMANDS[command]))
    said = done.stdout + done.stderr
    assert done.returncode == 2
    assert done.stderr.count("\n") <= 4
    assert "\x1b" not in said
    assert "\x07" not in said
    assert "Traceback" not in said
