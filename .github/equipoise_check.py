"""The step of the Action: `equipoise check`, then `equipoise audit` where it is asked for, with what the inputs say.

An input is an environment variable, and becomes one argument of a command: no shell reads it, and none is an option.
"""

import os
import subprocess
import sys

from equipoise.cli.github import Annotation

OPTIONS = {
    "check": ("config", "role", "declares", "max-gap", "examples"),
    "audit": ("config", "role", "declares", "baseline", "tolerance", "trace"),
}
SEVERAL = ("target", "declares")
GRAVITY = (0, 1, 3, 2)
"""Exit codes, the gravest last: fine, a finding, an optimum that is not proved or a check that gave up, wrong input."""


def given(name: str) -> list[str]:
    """Return what an input says: nothing, one value, or one a line."""
    text = os.environ.get(f"INPUT_{name.upper().replace('-', '_')}", "").strip()
    lines = text.splitlines() if name in SEVERAL else [text]
    return [line.strip() for line in lines if line.strip()]


def run(command: str) -> int:
    """Run one command; return its exit code, after an annotation if the input is wrong."""
    options = [f"--{name}={value}" for name in OPTIONS[command] for value in given(name)]
    words = ["equipoise", command, "--format=github", *options, "--", *given("target")]
    done = subprocess.run([sys.executable, "-m", *words], stderr=subprocess.PIPE, text=True)
    sys.stderr.write(done.stderr)
    if done.returncode not in (0, 1):
        said = [line for line in done.stderr.splitlines() if line.lower().startswith("error: ")]
        message = said[-1].partition(": ")[2] if said else f"it ended with code {done.returncode}: see the log"
        if said or done.returncode != 3:  # a check that gave up has an annotation of its own
            print(Annotation("error", f"equipoise {command}", message), flush=True)
    return done.returncode


def main() -> int:
    """Run the commands; return the gravest exit code."""
    audit = "".join(given("audit"))
    if audit not in ("", "true", "false"):
        print(Annotation("error", "input audit", f"audit is {audit!r}; allowed: true or false"), flush=True)
        return 2
    asked = bool(given("baseline") or given("trace")) if not audit else audit == "true"
    codes = [run(command) for command in ("check", "audit")[: 1 + asked]]
    return max(codes, key=lambda code: GRAVITY.index(code) if code in GRAVITY else len(GRAVITY))


if __name__ == "__main__":
    sys.exit(main())
