"""Entry point of the `zongji` command.

Each command is a module of this package with `add_arguments(parser)` and
`run(args) -> exit status`; it is imported only when it is used, so that a
recording can be examined on a machine that has no web server.
"""

from __future__ import annotations

import argparse
import importlib
import os
import select
import sys
from collections.abc import Sequence

COMMANDS: dict[str, str] = {
    "run": "start engine, control and web on the simulated office (or --board ADDRESS)",
    "engine": "the real-time process alone",
    "control": "the process that owns the database alone",
    "web": "the web pages alone",
    "scenario": "run stories on the virtual clock",
    "board": "line cards: list, watch, test a port",
    "dsp": "examine recordings: digits, caller ID, tones, hang-up",
    "welcome": "wait for the pages, then print their address and the claim code",
    "backup": "make, verify and restore backups; show the recovery key",
    "support": "collect the support bundle: logs, versions, states, nothing secret",
    "reset-password": "give an administrator a new password (from the console or recovery)",
    "claim-code": "print the code that claims a new box",
}

_OUTPUT = 1
"""The descriptor that is printed to."""


class UserError(Exception):
    """Something the user can mend; printed as one line, exit status 2."""


def port_number(text: str) -> int:
    """A TCP port as an argument. Raises argparse.ArgumentTypeError."""
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no port; choose a number from 1 to 65535, such as 8080"
        )
    return int(text)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="zongji",
        description="Zongji (总机) call-centre box",
        epilog="commands:\n" + "\n".join(f"  {name:<12} {what}" for name, what in COMMANDS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of those below")
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    words = list(sys.argv[1:] if argv is None else argv)
    if not words:
        parser.print_help(sys.stderr)
        return 2
    chosen = parser.parse_args(words)
    module = importlib.import_module(f"appliance.cli.{chosen.command.replace('-', '_')}")
    sub = argparse.ArgumentParser(prog=f"zongji {chosen.command}", description=COMMANDS[chosen.command])
    module.add_arguments(sub)
    args = sub.parse_args(chosen.rest)
    try:
        status: int = module.run(args)
        print(end="", flush=True)  # sys.stdout is None where output was closed
    except UserError as error:
        print(f"zongji {chosen.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        if not _nobody_reads():
            raise
        return 141
    return status


def _nobody_reads() -> bool:
    """Whether what is printed goes to a program that has ended (`| head`); then nothing more is."""
    where = select.poll()
    where.register(_OUTPUT, 0)
    if not any(state & select.POLLERR for _, state in where.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), _OUTPUT)
    return True


if __name__ == "__main__":
    sys.exit(main())
