"""The command line: `equipoise audit | check | replay | study | solve | verify | list | doctor`."""

from __future__ import annotations

import sys
import traceback

import click

from equipoise import __version__
from equipoise.cli.audit import audit
from equipoise.cli.check import check, replay
from equipoise.cli.doctor import doctor
from equipoise.cli.listing import listing
from equipoise.cli.solve import solve, verify
from equipoise.cli.study import study
from equipoise.errors import EquipoiseError, OracleError, TargetError

FINE, FINDING, WRONG_USAGE, ORACLE_TROUBLE, INTERRUPTED = 0, 1, 2, 3, 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="equipoise")
def commands() -> None:
    """Exact, certified optima for Mixture-of-Experts load balancing.

    Exit codes: 0 fine; 1 a finding against a balancer, or a rejected certificate; 2 wrong usage or unreadable input;
    3 the oracle is in trouble; 130 interrupted.
    """


for command in (audit, check, replay, study, solve, verify, listing, doctor):
    commands.add_command(command)


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
        click.echo(f"error: {error}", err=True)
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
