"""Hypothesis profiles: the suite is the same on every run; ``EQUIPOISE_PROFILE=nightly`` explores.

With ``-n``, a worker that has done its part takes over from the others: a few files hold most of the slow tests. With
``-n auto`` there are two workers for a processor, since half of their time they wait for processes that they started.
"""

import os
import signal
import threading

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("judges")

settings.register_profile("ci", max_examples=60, deadline=None, derandomize=True, database=None)
settings.register_profile("nightly", max_examples=3000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("EQUIPOISE_PROFILE", "ci"))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    # A suite started in the background ignores Ctrl-C, and so would the commands that it starts and interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    return 2 * (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    if getattr(config.option, "numprocesses", None) and config.option.dist == "no":
        config.option.dist = "worksteal"
