"""Routers that harm whoever runs them; what they leave behind sleeps for :data:`LONG` seconds.

``NAME_at_3`` is a sound router until its third call, and the hostile one then.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np

LONG = 987654
WORKER = sys.modules["__main__"]
"""In a worker: the module that serves."""


def top(scores, top_k):
    return np.argsort(-scores, axis=1)[:, :top_k]


def hangs(scores, top_k):
    time.sleep(LONG)


def stops_itself(scores, top_k):
    os.kill(os.getpid(), signal.SIGSTOP)


def kills_itself(scores, top_k):
    os.kill(os.getpid(), signal.SIGKILL)


def leaves_at_once(scores, top_k):
    os._exit(0)


def raises_base(scores, top_k):
    raise BaseException("out\nof\x1b[2J bounds")


class Unspeakable(Exception):
    def __str__(self):
        raise SystemExit(5)


def raises_what_cannot_be_said(scores, top_k):
    raise Unspeakable


def steers_the_terminal(scores, top_k):
    raise ArithmeticError("\x1b[2J\x00 ]]> <script> | \u202e \x07")


def exits(scores, top_k):
    sys.exit(0)


def dies_of_a_signal_without_a_name(scores, top_k):
    os.kill(os.getpid(), signal.SIGRTMIN + 3)


def closes_everything_and_stays(scores, top_k):
    os.closerange(0, 256)
    time.sleep(LONG)


def floods_every_stream(scores, top_k):
    while True:
        write_everywhere(b"x" * 4096)


def forges_messages(scores, top_k):
    write_everywhere((1).to_bytes(8, "little") + b"\x01")
    time.sleep(LONG)


def message(scores, top_k):
    """The bytes of the answer that is waited for."""
    frame = sys._getframe()
    while frame.f_code.co_name != "serve":
        frame = frame.f_back
    reply = {"value": top(scores, top_k), "seconds": 0.0}
    return WORKER._encoded(frame.f_locals["number"], {"ok": reply})


def write_everywhere(content):
    for number in range(3, 20):
        with contextlib.suppress(OSError):
            os.write(number, content)


def answers_twice(scores, top_k):
    write_everywhere(message(scores, top_k))
    return top(scores, top_k)


def answers_partly(scores, top_k):
    write_everywhere(message(scores, top_k)[:-3])
    time.sleep(LONG)


def answers_slowly(scores, top_k):
    time.sleep(0.2)
    return top(scores, top_k)


def leaves_an_orphan_in_a_session_of_its_own(scores, top_k):
    subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({LONG})"], start_new_session=True)
    return top(scores, top_k)


def forks_twice_and_hangs(scores, top_k):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(LONG)
        os._exit(0)
    time.sleep(LONG)


def relays_through_forks_in_sessions_of_their_own(scores, top_k):
    if os.fork() == 0:
        end = time.monotonic() + 3  # whatever happens: such a chain is hard to catch by hand
        while time.monotonic() < end:
            os.setsid()
            if os.fork():
                os._exit(0)
            time.sleep(0.05)
        os._exit(0)
    return top(scores, top_k)


def leaves_its_pipes_to_an_orphan_without_the_mark_and_hangs(scores, top_k):
    for number in range(3, 20):
        with contextlib.suppress(OSError):
            os.set_inheritable(number, True)
    wait = [sys.executable, "-c", "import time; time.sleep(20)"]
    subprocess.Popen(wait, env={}, close_fds=False, start_new_session=True)
    time.sleep(LONG)


def leaves_threads(scores, top_k):
    for _ in range(8):
        threading.Thread(target=time.sleep, args=(LONG,), daemon=False).start()
    return top(scores, top_k)


def allocates(scores, top_k):
    return np.ones(10**10)


def returns_ten_billion_by_strides(scores, top_k):
    return np.broadcast_to(np.int64(0), (10**10,))


def returns_a_number_beyond_64_bits(scores, top_k):
    return 10**40


def returns_what_contains_itself(scores, top_k):
    found = []
    found.append(found)
    return (found, {"experts": found})


class Word(str):
    def __str__(self):
        raise SystemExit(6)


def returns_an_evil_word(scores, top_k):
    return Word("experts")


class Masked:
    @property
    def __class__(self):
        raise KeyboardInterrupt


def returns_what_has_no_class(scores, top_k):
    return Masked()


def changes_directory(scores, top_k):
    os.chdir("/")
    return top(scores, top_k)


def patches_the_wire(scores, top_k):
    WORKER._encoded = lambda number, reply: b"\0" * 7
    return top(scores, top_k)


def patches_the_clock(scores, top_k):
    time.perf_counter = lambda: float("nan")
    return top(scores, top_k)


def patches_the_reply(scores, top_k):
    WORKER._answer = lambda *given, **keywords: {"ok": {"value": 1, "seconds": "long"}, "kind": 3}
    return top(scores, top_k)


def patches_json(scores, top_k):
    json.dumps = json.loads = json.JSONEncoder.encode = lambda *given, **keywords: os._exit(8)
    return top(scores, top_k)


def patches_numpy(scores, top_k):
    def broken(*given, **keywords):
        raise MemoryError

    np.array_equal = np.asarray = broken
    return np.zeros((len(scores), top_k), int)


class Evil(np.ndarray):
    def __array_finalize__(self, other):
        pass

    def tobytes(self, order="C"):
        os._exit(7)

    @property
    def dtype(self):
        raise SystemExit(3)


def returns_an_evil_subclass(scores, top_k):
    return top(scores, top_k).view(Evil)


def changes_its_record(record, _):
    record.clear()


def stops_after_its_answer(scores, top_k):
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGSTOP)).start()
    return top(scores, top_k)


def __getattr__(name):
    """Make ``NAME_at_3``, ``placer_NAME``, and a placer of ``NAME_at_3``."""
    if name.startswith("placer_"):
        hostile = globals().get(name.removeprefix("placer_")) or __getattr__(name.removeprefix("placer_"))

        def place(load, num_slots, num_groups, num_nodes, num_devices):
            answer, sound = hostile(load.astype(float), 1), top(load, 1).tolist()
            if isinstance(answer, np.ndarray) and answer.size < 100 and answer.tolist() == sound:
                return np.arange(num_slots)[None] % load.shape[1]
            return answer

        return place
    hostile, at, number = name.rpartition("_at_")
    if not at or hostile not in globals():
        raise AttributeError(name)
    calls = []

    def route(scores, top_k):
        calls.append(1)
        return (globals()[hostile] if len(calls) == int(number) else top)(scores, top_k)

    return route
