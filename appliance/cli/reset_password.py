"""`zongji reset-password`: a new password for an administrator, printed once."""

from __future__ import annotations

import argparse
import secrets
from pathlib import Path

from appliance.cli.main import UserError
from appliance.paths import Home
from appliance.store import InvalidRow, StoreError, open_store
from webui.accounts import OPENED, hash_password

LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"
"""Nothing that is mistaken for something else when it is read from a screen."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `zongji reset-password`."""
    parser.add_argument("--home", type=Path, help="data directory (default: $ZONGJI_HOME or ./var)")
    parser.add_argument("--user", default="", help="which administrator (default: the only one)")


def run(args: argparse.Namespace) -> int:
    """Print `NAME PASSWORD`."""
    home = Home(args.home.resolve()) if args.home else Home.from_env()
    if not home.database.exists():
        raise UserError(f"no box has been started on {home.root} yet; give its --home")
    password = "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(4))
    try:
        store = open_store(home.database)
        try:
            admins = [row for row in store.users.list() if row["role"] == "admin"]
            chosen = [row for row in admins if not args.user or row["username"] == args.user]
            if not admins:
                raise UserError("this box has no administrator yet: claim it with the code on its screen")
            if len(chosen) != 1:
                names = ", ".join(str(row["username"]) for row in admins)
                raise UserError(f"say with --user which administrator is meant: {names}")
            row = chosen[0]
            store.users.update(int(row["id"]), {"password_hash": hash_password(password), "disabled": False})
            store.audit.add("recovery", "password changed", str(row["username"]))
            store.audit.add(str(row["username"]), OPENED, "by recovery")
        finally:
            store.close()
    except (StoreError, InvalidRow) as error:
        raise UserError(str(error)) from error
    print(f"{row['username']} {password}")
    return 0
