"""`zongji reset-password`: a new password for an administrator, printed once."""

from __future__ import annotations

import argparse
import secrets
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from appliance.cli.main import UserError
from appliance.paths import Home
from appliance.store import InvalidRow, StoreError, open_store
from appliance.store.newer import newer_database
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
        name = _change(home.database, args.user, hash_password(password))
    except (StoreError, InvalidRow) as error:
        raise UserError(str(error)) from error
    print(f"{name} {password}")
    return 0


def _change(database: Path, user: str, password_hash: str) -> str:
    """In the newest database, and in what this version works on beside it; whose it was. Raises UserError,
    StoreError, InvalidRow."""
    with newer_database(database) as newer:
        if newer is not None:
            known = newer.administrators()
            user = _chosen(known, user)
            newer.set_password(known[user], password_hash)
            for who, what, detail in _notes(user):
                newer.note(time.time(), who, what, detail)
    if newer is not None and not newer.stand_in:
        return user
    with closing(open_store(database)) as store:
        known = {str(row["username"]): int(row["id"]) for row in store.users.list() if row["role"] == "admin"}
        if newer is not None and user not in known:
            return user  # of the newer version's time
        user = _chosen(known, user)
        store.users.update(known[user], {"password_hash": password_hash, "disabled": False})
        for note in _notes(user):
            store.audit.add(*note)
    return user


def _notes(user: str) -> tuple[tuple[str, str, str], ...]:
    return ("recovery", "password changed", user), (user, OPENED, "by recovery")


def _chosen(known: Iterable[str], user: str) -> str:
    """Who is meant. Raises UserError."""
    names = sorted(known)
    if not names:
        raise UserError("this box has no administrator yet: claim it with the code on its screen")
    chosen = [name for name in names if not user or name == user]
    if len(chosen) != 1:
        raise UserError(f"say with --user which administrator is meant: {', '.join(names)}")
    return chosen[0]
