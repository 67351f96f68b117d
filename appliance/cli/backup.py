"""`zongji backup`: make, verify and restore backups, show the key that opens them."""

from __future__ import annotations

import argparse
import getpass
import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

from appliance.cli.main import UserError
from appliance.paths import Home
from appliance.services import backup, backup_file, backup_key, copies, restore
from appliance.services.backup_errors import BackupError
from appliance.services.backup_key import BackupKey


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `zongji backup`."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    home = argparse.ArgumentParser(add_help=False)
    home.add_argument("--home", type=Path, help="data directory (default: $ZONGJI_HOME or ./var)")
    key = argparse.ArgumentParser(add_help=False)
    key.add_argument(
        "--key-file", type=Path, help="the recovery key of the box that made it (default: this box's)"
    )
    key.add_argument(
        "--passphrase-file",
        type=Path,
        help="file with the backup's passphrase; - asks for it on the terminal",
    )
    make = actions.add_parser("make", parents=[home], help="make a backup and prove it; prints its path")
    make.add_argument("--recordings", action="store_true", help="with all recordings")
    make.add_argument(
        "--passphrase-file", type=Path, help="may also be opened with the passphrase in this file"
    )
    make.add_argument("--to", type=Path, metavar="FOLDER", help="put a copy there, such as on a USB stick")
    verify = actions.add_parser("verify", parents=[home, key], help="prove that a backup is whole")
    verify.add_argument("file", type=Path)
    put = actions.add_parser("restore", parents=[home, key], help="put a backup in place of what is there")
    put.add_argument("file", type=Path, nargs="?", help="without it: finish a restore that was cut off")
    put.add_argument(
        "--yes", action="store_true", help="do it; without this it is only shown what would happen"
    )
    put.add_argument(
        "--unsealed",
        action="store_true",
        help="take also a backup without a seal, which anybody with the public key could have made",
    )
    put.add_argument(
        "--with-config", action="store_true", help="also the network settings and name of the box"
    )
    actions.add_parser("key", parents=[home], help="print the recovery key (keep it on paper)")


def run(args: argparse.Namespace) -> int:
    """Do it; errors are one sentence."""
    home = Home(args.home.resolve()) if args.home else Home.from_env()
    if not home.root.is_dir():
        raise UserError(f"there is no box on {home.root}; give its --home")
    os.umask(0o007)
    try:
        return {"make": _make, "verify": _verify, "restore": _restore, "key": _key}[args.action](home, args)
    except BackupError as error:
        raise UserError(str(error)) from error


def _make(home: Home, args: argparse.Namespace) -> int:
    made = backup.make(
        home,
        backup_key.load_or_make(home),
        now=time.time(),
        version=version("zongji"),
        box=platform.node(),
        recordings=args.recordings,
        passphrase=_secret(args.passphrase_file) if args.passphrase_file else "",
        step=_tell,
    )
    print(copies.copy(made.path, copies.stick(args.to), _tell) if args.to else made.path)
    return 0


def _verify(home: Home, args: argparse.Namespace) -> int:
    header = backup.verify(args.file, _key_for(home, args), _tell)
    print(
        f"{args.file.name} is whole: {header.files} files, made {_when(header.made_at)} by {header.version}"
        + ("" if header.sealed else f"; {UNSEALED}")
    )
    return 0


def _restore(home: Home, args: argparse.Namespace) -> int:
    if args.file is None:
        finished = restore.resume(home)
        print(
            "nothing was left to finish" if finished is None else f"the restore of {finished.source} is done"
        )
        return 0
    state = restore.prepare(home, args.file, _key_for(home, args), _tell)
    print(f"{state.source}, made {_when(state.made_at)} by version {state.version}")
    for table, count in state.then.items():
        print(f"  {table:<10} {state.now.get(table, '?'):>8}  ->  {count}")
    if not state.sealed:
        print(f"  WARNING: {UNSEALED}")
    print(f"  {'prompts':<10} {'':>8}  ->  {state.prompts}\n  recordings added: {state.recordings}")
    if not args.yes:
        restore.discard(home)
        print("Nothing was changed. Add --yes to replace what is there.")
        return 1
    if not (state.sealed or args.unsealed):
        restore.discard(home)
        raise UserError(f"nothing was changed: {UNSEALED}; add --unsealed if you know where it comes from")
    restore.commit(home, args.with_config)
    print("restored; what was there before is kept beside the database")
    return 0


UNSEALED = "this backup has no seal: it is of an older version, or somebody else made it for this box"


def _key(home: Home, args: argparse.Namespace) -> int:
    key = backup_key.load_or_make(home)
    print(" ".join(key.on_paper))
    return 0


def _key_for(home: Home, args: argparse.Namespace) -> BackupKey:
    if args.passphrase_file:
        return backup_file.key_from_passphrase(
            backup_file.read_header(args.file), _secret(args.passphrase_file)
        )
    if args.key_file:
        try:
            return backup_key.from_text(args.key_file.read_text(encoding="ascii", errors="replace"))
        except OSError as error:
            raise UserError(f"{args.key_file} cannot be read: {error.strerror}") from error
    own = backup_key.load(home)
    if own is None:
        raise UserError(
            "this box has no recovery key yet; give the one of the box that made it with --key-file"
        )
    return own


def _secret(path: Path) -> str:
    if str(path) == "-":
        return getpass.getpass("passphrase: ")
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error


def _when(unix_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(unix_s))


def _tell(step: str, done: int, total: int) -> None:
    """One line per step for whoever watches: `progress STEP PERCENT`, on standard error."""
    percent = min(100, 100 * done // total) if total else 0
    if (step, percent) != _told[-1]:
        _told[:] = [(step, percent)]
        print(f"progress {step} {percent}", file=sys.stderr, flush=True)


_told: list[tuple[str, int]] = [("", 0)]
