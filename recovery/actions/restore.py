"""Put a backup from the stick, or the newest on the box, in place of what is there."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

from recovery.box import CONTROL_UID, GROUP, Box, Tell, product
from recovery.plan import Plan, content
from recovery.refused import Refused
from recovery.runner import Action, Options

SUFFIX = ".zjb"
AHEAD_S = 86400.0
KEY_NAME = "recovery-key.txt"


def backups(box: Box) -> list[Path]:
    """Backups on the stick and on the box, newest name first; those of a time still to come, made while the
    clock was ahead, are the last."""
    latest = time.strftime("zongji-%Y%m%d-%H%M%S", time.localtime(time.time() + AHEAD_S))
    folders = [
        box.stick,
        box.stick and box.stick / "zongji-backups",
        box.data and box.data / "zongji" / "backups",
    ]
    found = [path for folder in folders if folder and folder.is_dir() for path in folder.glob(f"*{SUFFIX}")]

    def age(path: Path) -> tuple[bool, str]:
        return not path.name.startswith("zongji-") or path.name < latest, path.name

    return sorted(found, key=age, reverse=True)


def chosen(box: Box, options: Options) -> Path:
    """The backup that is meant. Raises Refused."""
    found = backups(box)
    name = str(options.get("file") or "")
    match = [path for path in found if not name or path.name == name]
    if not match:
        what = f"no backup {name!r}" if name else "no backup"
        raise Refused("no_backup", f"there is {what} on the stick or on the box")
    return match[0]


def plan(box: Box, options: Options) -> Plan:
    """Which backup, and is it one?"""
    path = chosen(box, options)
    box.need_data()
    with path.open("rb") as file:
        if not file.read(16).startswith(b"zongji-backup "):
            raise Refused("not_a_backup", f"{path.name} is no backup of this product")
    on_stick = box.stick is not None and path.is_relative_to(box.stick)
    of = {"backup": content(path), "stick": box.plugged if on_stick else None}
    return Plan("restore", {"file": path.name}, of=of)


def put(box: Box, options: Options, tell: Tell) -> None:
    """The product's own program does it, and finishes what an earlier try began."""
    box.home.mkdir(mode=0o2770, parents=True, exist_ok=True)
    if os.getuid() == 0:
        os.chown(box.home, 0, GROUP)
    product(box, "backup", "restore")
    with tempfile.TemporaryDirectory(prefix="zongji-recovery-") as folder:
        words = ["backup", "restore", str(chosen(box, options)), "--yes"]
        words += ["--unsealed"] if options.get("unsealed") is True else []
        words += _key(box, options, Path(folder))
        product(box, *words, tell=tell)


def _key(box: Box, options: Options, folder: Path) -> list[str]:
    """The key: typed, on the stick beside the backup, or else the box's own."""
    if options.get("passphrase"):
        return ["--passphrase-file", str(_handed_on(folder, "passphrase", str(options["passphrase"])))]
    if options.get("key"):
        return ["--key-file", str(_handed_on(folder, "key", str(options["key"])))]
    for place in (box.stick, box.config):
        path = place / KEY_NAME if place else None
        if path is not None and path.is_file():
            return [
                "--key-file",
                str(_handed_on(folder, "key", path.read_text(encoding="ascii", errors="replace"))),
            ]
    return []


def _handed_on(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    if os.getuid() == 0:
        shutil.chown(folder, CONTROL_UID, GROUP)
        shutil.chown(path, CONTROL_UID, GROUP)
    return path


ACTION = Action(plan, (put,))
