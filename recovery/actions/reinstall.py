"""Write the system anew from the recovery partition or the stick; all data stays.

On a box that was updated since, this goes back to an older version, which may not know the present database:
that needs a word of its own, as installing an older bundle does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from image.box import bootstate, goingback
from recovery import versions
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
    """Is there a system, can it be read, does it fit, and is it no older than what is there?"""
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
    of = {"system": system, "from": box.system}
    home = box.data / "zongji" if box.data else None
    back = goingback.look(versions.own(), versions.left(box), home)
    made = _told(slot, need >> 20, back, of)
    if back and options.get("older") is not True:
        raise Refused("downgrade", f"this would {made}. If that is meant, the word older does it")
    return made


def _told(slot: str, mb: int, back: goingback.GoingBack | None, of: Mapping[str, object]) -> Plan:
    if back is None:
        return Plan("reinstall", {"slot": slot, "mb": mb}, of=of)
    here, new, day = back.here, back.new, back.day
    if back.database == "copy":
        return Plan(
            "reinstall_older_database",
            {"slot": slot, "mb": mb, "here": here, "new": new, "day": day},
            of=of,
        )
    if back.database == "none":
        return Plan("reinstall_no_database", {"slot": slot, "mb": mb, "here": here, "new": new}, of=of)
    return Plan("reinstall_older", {"slot": slot, "mb": mb, "here": here, "new": new}, of=of)


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


ACTION = Action(plan, (give_up_old, write, activate), sets_boot=True, agreed={"older": True})
