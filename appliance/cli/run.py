"""`zongji run`: engine, control and web together, under supervisord.

On the flashed box systemd supervises; here a well-kept supervisor does the
same: a process that dies is started again, and Ctrl-C ends all of them.
"""

from __future__ import annotations

import argparse
import os
import shlex
import socket
import sys
from pathlib import Path

from appliance.cli.main import UserError, port_number
from appliance.cli.relay import print_through_relay
from appliance.paths import Home
from board.api import BoardError
from board.registry import open_board, schemes

WITH_SUPERVISOR = ("setpriv", "--pdeathsig", "TERM")
"""Ends a program when supervisord has gone, however that happened: nothing is left behind."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `zongji run`."""
    parser.add_argument(
        "--board",
        default="sim:",
        help="address of the line card; auto: all that are plugged in, now or later (default: sim:)",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address of the pages (default: this machine only)"
    )
    parser.add_argument(
        "--port", type=port_number, default=8080, help="port the pages are served on (default: 8080)"
    )
    parser.add_argument("--home", type=Path, help="data directory (default: $ZONGJI_HOME or ./var)")


def run(args: argparse.Namespace) -> int:
    """Check that nothing is in the way, then become supervisord."""
    home = Home(args.home.resolve()) if args.home else Home.from_env()
    try:
        home.create()
    except OSError as error:
        raise UserError(f"cannot write to the data directory {home.root}: {error.strerror}") from error
    refuse_board(args.board)
    refuse_second_start(home)
    refuse_taken_port(args.host, args.port)
    config = home.run / "supervisord.conf"
    config.write_text(supervisor_config(home, args.board, args.host, args.port), encoding="utf-8")
    sys.stdout.flush()
    print_through_relay()
    supervisord = Path(sys.executable).with_name("supervisord")
    os.execv(supervisord, [str(supervisord), "--configuration", str(config)])


def refuse_board(address: str) -> None:
    """Raise UserError for a card that cannot be there, which no later try would find."""
    if address == "auto":
        return
    kind, colon, _ = address.partition(":")
    if kind + colon not in schemes().split(", "):
        raise UserError(
            f"--board {address}: write auto, or the kind of card and a colon; there are {schemes()}"
        )
    if address.startswith("sim:"):
        try:
            open_board(address).close()
        except BoardError as error:
            raise UserError(f"--board {address}: {error}") from error


def refuse_second_start(home: Home) -> None:
    """Raise UserError when a box already runs on this data directory."""
    pid_file = home.run / "supervisord.pid"
    try:
        pid = int(pid_file.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return
    if b"supervisord" in command and str(home.run).encode() in command:
        raise UserError(
            f"a box is already running on {home.root} (process {pid}). Stop it with Ctrl-C where it runs, "
            "or give this one its own data directory with --home"
        )


def refuse_taken_port(host: str, port: int) -> None:
    """Raise UserError when another program listens where the pages shall be served."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except socket.gaierror as error:
            raise UserError(
                f"this machine has no address {host!r} ({error.strerror}); give --host one of its own, "
                "127.0.0.1 for this machine only or 0.0.0.0 for all networks"
            ) from error
        except OSError as error:
            raise UserError(
                f"cannot serve pages on {host}:{port}: {error.strerror}. "
                "Another program may use it; choose another with --port"
            ) from error


def supervisor_config(home: Home, board: str, host: str, port: int) -> str:
    """The supervisord configuration of one box on this machine."""
    zongji = str(Path(sys.executable).with_name("zongji"))
    pages = ["--host", host, "--port", str(port)]
    arguments = {"engine": ["--board", board], "control": [], "web": pages, "welcome": pages}
    commands = {
        name: shlex.join([*WITH_SUPERVISOR, zongji, name, "--home", str(home.root), *more])
        for name, more in arguments.items()
    }
    lines = [
        "[supervisord]",
        "nodaemon=true",
        "silent=false",
        "loglevel=warn",
        "logfile=/dev/null",
        "logfile_maxbytes=0",
        f"pidfile={home.run / 'supervisord.pid'}".replace("%", "%%"),
    ]
    if os.getuid() == 0:
        lines.append("user=root")
    for name, command in commands.items():
        once = name == "welcome"
        lines += [
            f"[program:{name}]",
            "command=" + command.replace("%", "%%"),
            f"autorestart={'false' if once else 'true'}",
            f"startsecs={0 if once else 1}",
            f"startretries={0 if once else 1000000}",
            "exitcodes=0",
            "stopwaitsecs=8",
            "stopasgroup=false",
            "killasgroup=true",
            "redirect_stderr=true",
            "stdout_logfile=/dev/fd/1",
            "stdout_logfile_maxbytes=0",
        ]
    return "\n".join(lines) + "\n"
