"""The command line: `equipoise audit | check | replay | place | record | export | study | solve | verify | ...`."""

from __future__ import annotations

import importlib
import sys
import traceback

import click

from equipoise import __version__
from equipoise.errors import EquipoiseError, OracleError, TargetError
from equipoise.tables import printable

FINE, FINDING, WRONG_USAGE, ORACLE_TROUBLE, INTERRUPTED = 0, 1, 2, 3, 130


COMMANDS = {
    "demo": ("demo", "demo", "Show a faulty router, the input that breaks it, and the mended one."),
    "audit": ("audit", "audit", "Say how far balancers are from the exact optimum on a trace."),
    "check": ("check", "check", "Find the smallest input that breaks a balancer."),
    "replay": ("check", "replay", "Run one saved counter-example again."),
    "place": ("place", "place", "Say how good a deployed map of experts is, and find a better one."),
    "record": ("record", "record", "Record what the routers of a model do, as a trace."),
    "export": ("export", "export", "Write a map of experts as a serving framework reads it."),
    "study": ("study", "study", "Compare balancers over many instances and seeds, and write a report."),
    "solve": ("solve", "solve", "Solve an assignment problem and certify the optimum."),
    "verify": ("solve", "verify", "Check a certificate without any solver."),
    "list": ("listing", "listing", "List balancers, checks, solvers and schemas."),
    "doctor": ("doctor", "doctor", "Try every solver on this machine."),
}
"""Where each command is: module, attribute, and what it does. It is imported when it is used."""


class Commands(click.Group):
    """The commands, imported when they are used, so that help and errors come at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return their names in the order of help."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"equipoise.cli.{module}"), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write names and summaries without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, _, summary) in COMMANDS.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="equipoise")
def commands() -> None:
    """Exact, certified optima for Mixture-of-Experts load balancing.

    Exit codes: 0 fine; 1 a finding against a balancer, a rejected certificate or an invalid map; 2 wrong usage or
    unreadable input; 3 the oracle is in trouble; 130 interrupted.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and exit with its code; every expected error is one sentence on standard error."""
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    try:
        return commands.main(arguments, prog_name="equipoise", standalone_mode=False) or FINE
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        error.show()
        return WRONG_USAGE
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return FINE
    except EquipoiseError as error:
        click.echo(f"error: {printable(str(error))}", err=True)
        return (
            FINDING
            if isinstance(error, TargetError)
            else (ORACLE_TROUBLE if isinstance(error, OracleError) else WRONG_USAGE)
        )
    except MemoryError:
        click.echo("error: not enough memory for this input", err=True)
        return WRONG_USAGE
    except Exception:
        traceback.print_exc()
        click.echo("error: this is a defect of equipoise, please report the lines above", err=True)
        return ORACLE_TROUBLE
