"""A call in a child process: answers and exceptions cross, deadlines and Ctrl-C leave nothing running."""

import os
import subprocess
import sys

import numpy as np
import pytest

from command_line import wait_until
from equipoise import InvalidProblem
from equipoise.solvers import child


def test_answers_cross_unharmed():
    np.testing.assert_array_equal(child.call("child_tasks", "add", np.arange(3), 10), [10, 11, 12])


def test_output_of_the_callee_does_not_spoil_the_answer():
    assert child.call("child_tasks", "shout", "answer") == "answer"


@pytest.mark.parametrize("error", [ValueError("bad"), InvalidProblem("top_k", "0", "1 to 4"), TimeoutError("mine")])
def test_exceptions_cross_with_type_and_text(error):
    with pytest.raises(type(error)) as caught:
        child.call("child_tasks", "fail", error)
    assert str(caught.value) == str(error)


def test_module_that_cannot_be_imported_raises_import_error():
    with pytest.raises(ImportError, match="no_such_module"):
        child.call("no_such_module", "add", 1, 2)


@pytest.mark.parametrize("code", [1, 3, 137])
def test_a_crash_is_child_failed_and_names_the_code(code):
    with pytest.raises(child.ChildFailed, match=f"ended with code {code}: no message"):
        child.call("child_tasks", "die", code)


def test_an_answer_that_cannot_be_sent_is_child_failed():
    with pytest.raises(child.ChildFailed, match="pickle"):
        child.call("child_tasks", "unpicklable")


class Recorder(subprocess.Popen):
    """A process that tests can look at afterwards."""

    seen: list["Recorder"] = []  # noqa: RUF012


@pytest.fixture
def started(monkeypatch):
    monkeypatch.setattr(child.subprocess, "Popen", Recorder)
    monkeypatch.setattr(Recorder, "seen", [])
    start = subprocess.Popen.__init__

    def record(self, *arguments, **named):
        Recorder.seen.append(self)
        start(self, *arguments, **named)

    monkeypatch.setattr(Recorder, "__init__", record)
    return Recorder.seen


def test_a_deadline_kills_the_child(started, monkeypatch):
    monkeypatch.setattr(child, "GRACE", 0.0)
    with pytest.raises(TimeoutError, match=r"no answer within 0\.05 seconds"):
        child.call("child_tasks", "hang", time_limit=0.05)
    assert [process.poll() for process in started] == [-9]


def test_the_grace_is_added_to_the_limit(monkeypatch):
    monkeypatch.setattr(child, "GRACE", 60.0)
    assert child.call("child_tasks", "add", 1, 2, time_limit=0.001) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX file locks")
def test_ctrl_c_ends_the_child_and_every_process_it_started(started, monkeypatch, tmp_path):
    import fcntl

    path = tmp_path / "lock"
    path.touch()

    def interrupted(self, request, timeout):
        self.stdin.write(request)
        self.stdin.close()
        wait_until(lambda: path.read_text() == "ready")
        raise KeyboardInterrupt

    monkeypatch.setattr(Recorder, "communicate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        child.call("child_tasks", "hang_with_a_grandchild", os.fspath(path))
    assert started[0].poll() == -9

    def unlocked():
        with open(path) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            return True

    wait_until(unlocked)
