"""`zongji claim-code`: print the code that makes whoever reads it the first administrator."""

from __future__ import annotations

import argparse
from pathlib import Path

from appliance.cli.main import UserError
from appliance.paths import Home
from appliance.store import StoreError, open_store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `zongji claim-code`."""
    parser.add_argument("--home", type=Path, help="data directory (default: $ZONGJI_HOME or ./var)")


def run(args: argparse.Namespace) -> int:
    """Print the code alone, so that scripts can read it; status 1 when the box has been claimed."""
    home = Home(args.home.resolve()) if args.home else Home.from_env()
    if not home.database.exists():
        raise UserError(f"no box has been started on {home.root} yet; start it, or give its --home")
    try:
        store = open_store(home.database)
        try:
            code = store.claim.code()
        finally:
            store.close()
    except StoreError as error:
        raise UserError(str(error)) from error
    if code is None:
        print("This box has an administrator already; ask them for an account.")
        return 1
    print(code)
    return 0
