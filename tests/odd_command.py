"""A command whose behaviour is its first argument; it must run without the package."""

import json
import os
import signal
import subprocess
import sys
import threading
import time


def say(message):
    sys.stdout.write((message if isinstance(message, str) else json.dumps(message)) + "\n")
    sys.stdout.flush()


def top(request):
    scores, top_k = request["scores"]["values"], request["top_k"]
    return [sorted(range(len(row)), key=lambda e: -row[e])[:top_k] for row in scores]


how = sys.argv[1]
if how == "silent":
    sys.exit(0)
if how == "foreign":
    say({"protocol": "something-else/7"})
say({"protocol": "equipoise-balancer/1", **({} if how == "roleless" else {"role": "router"})})
for line in sys.stdin:
    request = json.loads(line)
    if how == "errors":
        say({"error": "no gate\nat all"})
    elif how == "exits":
        sys.exit(3)
    elif how == "killed":
        os.abort()
    elif how == "twice":
        say({"experts": top(request)})
        say({"experts": top(request)})
    elif how == "partly":
        sys.stdout.write(json.dumps({"experts": top(request)})[:-3])
        sys.stdout.flush()
        threading.Event().wait()
    elif how == "slowly":
        time.sleep(0.1)
        say({"experts": top(request)})
    elif how == "stops":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif how == "floods":
        while True:
            say({"experts": top(request)})
            sys.stderr.write("x" * 4096)
    elif how == "closes":
        os.closerange(0, 20)
        threading.Event().wait()
    elif how == "orphan":
        wait = [sys.executable, "-c", "import time; time.sleep(987654)"]
        subprocess.Popen(wait, close_fds=False, start_new_session=True)
        threading.Event().wait()
    elif how == "hangs":
        threading.Event().wait()
    elif how == "garbage":
        say("loading weights ...")
    elif how == "keyless":
        say({"answer": 1})
    elif how == "ragged":
        say({"experts": [[0], [0, 1]]})
    elif how == "huge":
        sys.stdout.write("[" * (80 << 20))
        say("")
    elif how == "echo":
        say({"experts": top(request), "weights": request["scores"]["values"]})
    else:
        say({"experts": top(request)})
