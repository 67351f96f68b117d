"""Write the system anew from the recovery partition or the stick; all data stays."""

from __future__ import annotations

import hashlib
import os

from image.box import bootstate
from recovery.box import CHUNK, Box, Tell, device_bytes, squashfs_bytes
from recovery.refused import Refused
from recovery.runner import Action, Options


def _slot(box: Box, options: Options) -> str:
    wanted = str(options.get("slot") or "A").upper()
    if wanted not in ("A", "B"):
        raise Refused("bad_option", "slot must be A or B")
    return wanted


def plan(box: Box, options: Options) -> str:
    """Is there a system, and does it fit?"""
    if box.system is None:
        raise Refused("no_system", "there is no recovery partition to install from; use a recovery stick")
    slot = _slot(box, options)
    need, room = squashfs_bytes(box.system), device_bytes(box.slot(slot))
    if need > device_bytes(box.system):
        raise Refused(
            "system_damaged", "the system on the recovery partition is cut short; use a recovery stick"
        )
    if need > room:
        raise Refused("too_small", f"system {slot} has {room >> 20} MB, {(need >> 20) + 1} MB are needed")
    box.need_boot()
    return f"write system {slot} anew ({need >> 20} MB); settings, calls and recordings stay"


def give_up_old(box: Box, options: Options, tell: Tell) -> None:
    """Nobody shall start a slot that is half written."""
    bootstate.set_state(_slot(box, options), "bad", box.need_boot())


def write(box: Box, options: Options, tell: Tell) -> None:
    """Copy, then read back from the disk and compare."""
    assert box.system is not None
    target = box.slot(_slot(box, options))
    total = squashfs_bytes(box.system)
    wanted = hashlib.sha256()
    with box.system.open("rb") as source, target.open("r+b") as file:
        done = 0
        while done < total:
            chunk = source.read(min(CHUNK, total - done))
            if not chunk:
                raise Refused("system_damaged", "the system on the recovery partition is cut short")
            file.write(chunk)
            wanted.update(chunk)
            done += len(chunk)
            tell("writing", 50 * done // total)
        file.flush()
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    found = hashlib.sha256()
    with target.open("rb") as file:
        done = 0
        while done < total:
            chunk = file.read(min(CHUNK, total - done))
            if not chunk:
                break
            found.update(chunk)
            done += len(chunk)
            tell("verifying", 50 + 50 * done // total)
    if found.digest() != wanted.digest():
        raise Refused(
            "disk_bad", "what was read back from the disk differs from what was written: replace the disk"
        )


def activate(box: Box, options: Options, tell: Tell) -> None:
    """The new system starts next, with three tries."""
    bootstate.set_primary(_slot(box, options), box.need_boot())


ACTION = Action(plan, (give_up_old, write, activate), sets_boot=True)
