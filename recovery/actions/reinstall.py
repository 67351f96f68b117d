"""Write the system anew from the recovery partition or the stick; all data stays."""

from __future__ import annotations

import hashlib

from image.box import bootstate
from recovery.box import CHUNK, Box, Tell, device_bytes, squashfs_bytes
from recovery.copying import copy, read_all
from recovery.plan import Plan
from recovery.refused import Refused
from recovery.runner import Action, Options


def _slot(box: Box, options: Options) -> str:
    wanted = str(options.get("slot") or "A").upper()
    if wanted not in ("A", "B"):
        raise Refused("bad_option", "slot must be A or B")
    return wanted


def plan(box: Box, options: Options) -> Plan:
    """Is there a system, can it be read, and does it fit?"""
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
    try:
        # A partition that the disk does not read any more must not cost the system that works.
        read_all(box.system, need)
        with box.system.open("rb") as file:
            system = hashlib.sha256(file.read(CHUNK)).hexdigest()  # its superblock has time and size, too
    except OSError as error:
        raise Refused(
            "system_damaged", "the system on the recovery partition cannot be read; use a recovery stick"
        ) from error
    return Plan("reinstall", {"slot": slot, "mb": need >> 20}, of={"system": system, "from": box.system})


def give_up_old(box: Box, options: Options, tell: Tell) -> None:
    """Nobody shall start a slot that is half written."""
    bootstate.set_state(_slot(box, options), "bad", box.need_boot())


def write(box: Box, options: Options, tell: Tell) -> None:
    """Copy, then read back from the disk and compare."""
    assert box.system is not None
    short = Refused("system_damaged", "the system on the recovery partition is cut short")
    with box.system.open("rb") as source:
        copy(source, box.slot(_slot(box, options)), squashfs_bytes(box.system), tell, short)


def activate(box: Box, options: Options, tell: Tell) -> None:
    """The new system starts next, with three tries."""
    bootstate.set_primary(_slot(box, options), box.need_boot())


ACTION = Action(plan, (give_up_old, write, activate), sets_boot=True)
