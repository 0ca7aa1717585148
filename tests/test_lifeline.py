"""A process that ends with another one: only then, and whoever closes what first."""

import subprocess
import sys

LATE = """
import os, time
from equipoise import lifeline

wait = lifeline._wait
lifeline._wait = lambda *given: (time.sleep(0.2), wait(*given))
theirs, mine = os.pipe()
lifeline.end_with(mine)
os.close(mine)
time.sleep(0.5)
print("alive", flush=True)
os.close(theirs)
time.sleep(60)
"""


def test_a_process_outlives_its_own_end_of_the_pipe_and_not_the_other():
    ended = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, start_new_session=True)
    assert (ended.returncode, ended.stdout) == (-9, "alive\n")
