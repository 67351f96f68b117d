"""Recovery without screen, keyboard or network: `recovery.json` on the stick says what is done to which box.

    {"action": "restore", "serial": "ZJ-ABCDE-FGHJK", "options": {"file": "zongji-20261128.zjb"}}

A box that it does not name is never touched; for a disk without the product the disk's own serial number
is the name (`write_image`, options.disk_serial). What came of it is written back to the stick.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from image.box import files
from recovery import runner
from recovery.box import Box, Tell
from recovery.refused import Refused

NAME = "recovery.json"
DONE = "headless-done.json"


def read(box: Box) -> tuple[dict[str, Any], str] | None:
    """(the order, its fingerprint), None where there is none. Raises Refused."""
    path = box.stick / NAME if box.stick else None
    if path is None or not path.is_file():
        return None
    content = path.read_bytes()
    try:
        found = files.read_json(path) or {}
    except ValueError as error:
        raise Refused("bad_order", f"{NAME} cannot be read ({error}); it must be one JSON object") from error
    return found, hashlib.sha256(content).hexdigest()


def check(box: Box, order: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """(action, options) when the order is for this box. Raises Refused."""
    name, options = order.get("action"), order.get("options", {})
    if not isinstance(name, str) or not isinstance(options, dict):
        raise Refused("bad_order", f"{NAME} needs action (a text) and options (a group)")
    runner.action(name)
    if name == "write_image":
        # A model is no name: there are thousands of it. Whether there is such a disk its plan looks.
        if str(options.get("disk_serial") or "").strip() in {disk.model.strip() for disk in box.disks}:
            raise Refused("disk_not_named", f"{NAME} names a model; name the disk by its serial number")
        return name, options
    serial = order.get("serial")
    if not isinstance(serial, str) or not serial.strip():
        raise Refused("serial_missing", f"{NAME} does not say which box: add its serial number as serial")
    if not box.serial:
        raise Refused(
            "no_box", "this machine has no disk of this product, or no serial number can be read from it"
        )
    if serial.strip().upper() != box.serial.upper():
        raise Refused("serial_wrong", f"{NAME} names the box {serial.strip()}, this one is {box.serial}")
    return name, options


def run(box: Box, tell: Tell) -> dict[str, Any] | None:
    """Do what the stick says, once; the result, None where it says nothing new."""
    name = "?"
    try:
        found = read(box)
        if found is None:
            return None
        if box.config is not None and _done(box.config) == found[1]:
            print(f"Zongji: what {NAME} says was carried out from this stick already", flush=True)
            return None
        name = str(found[0].get("action", "?"))
        chosen, options = check(box, found[0])
        result = runner.run(box, chosen, options, tell, "stick")
    except Exception as problem:  # whatever a stick holds: the menu still comes
        result = runner.refused(box, name, problem, "stick")
        found = None
    _put_away(box, found[1] if found else "", result)
    return result


def _done(config: Path) -> str:
    try:
        return str((files.read_json(config / DONE) or {}).get("order", ""))
    except (OSError, ValueError):
        return ""


def _put_away(box: Box, fingerprint: str, result: dict[str, Any]) -> None:
    """The order is not carried out again: renamed on the stick, and noted on the box as long as that is not
    sure, or the stick cannot be written. The same words on another stick are another order. A refused one
    stays, so that it can be corrected."""
    if not result["ok"]:
        return
    note = box.config / DONE if box.config is not None and box.config.is_dir() else None
    if note is not None:
        files.write_json(note, {"order": fingerprint})
    assert box.stick is not None
    try:
        (box.stick / NAME).replace(box.stick / f"{NAME}.done")
    except OSError as error:
        print(f"Zongji: {NAME} cannot be renamed on the stick: {error}", flush=True)
        return
    os.sync()
    if note is not None:
        files.remove(note)
