"""`zongji control`: the process that owns the database."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from appliance.cli.main import UserError
from appliance.client import WireError
from appliance.control.server import AlreadyRunning, serve
from appliance.logs import set_up
from appliance.paths import Home


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `zongji control`."""
    parser.add_argument("--home", type=Path, help="data directory (default: $ZONGJI_HOME or ./var)")
    parser.add_argument("--verbose", action="store_true", help="say more in the log")


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT."""
    set_up("control", logging.INFO if args.verbose else logging.WARNING)
    home = Home(args.home.resolve()) if args.home else Home.from_env()
    try:
        serve(home)
    except (AlreadyRunning, WireError) as error:
        raise UserError(str(error)) from error
    except OSError as error:
        raise UserError(f"cannot work in {home.root}: {error.strerror or error}") from error
    return 0
