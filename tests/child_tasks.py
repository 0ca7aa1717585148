"""What the tests of the child process let a child do."""

import fcntl
import os
import subprocess
import sys
import threading


def add(left, right):
    return left + right


def shout(value):
    """Write to standard output by every road there is, as solvers do."""
    print("noise")
    os.write(1, b"more noise\n")
    os.system("echo even more noise")
    return value


def fail(error):
    raise error


def die(code):
    os._exit(code)


def hang():
    threading.Event().wait()


def hang_with_a_grandchild(path):
    """Lock a file, hand the lock to a grandchild as CBC would be one, say so in the file, and hang."""
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        subprocess.Popen([sys.executable, "-c", "import threading; threading.Event().wait()"], pass_fds=[file.fileno()])
        file.write("ready")
        file.flush()
        hang()


def unpicklable():
    return lambda: None


def square(value):
    return value * value
