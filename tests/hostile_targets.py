"""Routers that harm whoever runs them; what they leave behind sleeps for :data:`LONG` seconds."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np

LONG = 987654


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


def closes_everything_and_stays(scores, top_k):
    os.closerange(0, 256)
    time.sleep(LONG)


def floods_every_stream(scores, top_k):
    while True:
        for number in range(1, 20):
            with contextlib.suppress(OSError):
                os.write(number, b"x" * 4096)


def forges_messages(scores, top_k):
    for number in range(3, 20):
        with contextlib.suppress(OSError):
            os.write(number, (1).to_bytes(8, "little") + b"\x01")
    time.sleep(LONG)


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


def leaves_threads(scores, top_k):
    for _ in range(8):
        threading.Thread(target=time.sleep, args=(LONG,), daemon=False).start()
    return top(scores, top_k)


def allocates(scores, top_k):
    return np.ones(10**10)


def returns_ten_billion_by_strides(scores, top_k):
    return np.broadcast_to(np.int64(0), (10**10,))


def changes_directory(scores, top_k):
    os.chdir("/")
    return top(scores, top_k)


def patches_the_wire(scores, top_k):
    from equipoise.balancers import worker

    worker.send = lambda stream, message: stream.write(b"\0" * 7) and stream.flush()
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


def stops_after_its_answer(scores, top_k):
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGSTOP)).start()
    return top(scores, top_k)
