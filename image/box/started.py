"""At every start: mends the boot state and writes down which system started, and which one failed before.

/data/system/boot-history.jsonl   one line a start: {"at", "slot", "version", "boot_state", "fell_back", ...}
/data/system/unhealthy.json       why the last system gave itself up, written by image.box.confirm
/run/zongji/boot.json             this start's line, for the pages
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from image.box import bootstate, files, journal, release
from image.box.places import Places
from image.box.update.history import STATE_LOST

HISTORY = Path("/data/system/boot-history.jsonl")
UNHEALTHY = Path("/data/system/unhealthy.json")
RUNNING = Path("/run/zongji/boot.json")
CMDLINE = Path("/proc/cmdline")
HISTORY_LINES = 200
STOPPED = "stopped_without_a_word"


def kernel_argument(name: str, cmdline: str) -> str | None:
    """The value of NAME=value on the kernel's command line."""
    match = re.search(rf"(?:^|\s){re.escape(name)}=(\S+)", cmdline)
    return match[1] if match else None


def line(
    now: float,
    cmdline: str,
    state: bootstate.State,
    version: str,
    history: list[Mapping[str, Any]],
    unhealthy: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """What there is to tell of this start (now: Unix seconds).

    A box fell back when another system is first in the order than the one that runs. That may also be because
    the boot loader did not know the order.
    """
    slot = kernel_argument("zongji.slot", cmdline) or "?"
    told: dict[str, Any] = {
        "at": now,
        "slot": slot,
        "version": version,
        "boot_state": kernel_argument("zongji.boot_state", cmdline) or "unknown",
        "fell_back": False,
    }
    wanted = state.order[0]
    if slot in bootstate.SLOTS and wanted != slot:
        tried = last_starts(history, wanted)
        told["fell_back"] = True
        told["failed_slot"] = wanted
        told["failed_version"] = tried[-1]["version"] if tried else _installed_version(wanted)
        if told["boot_state"] == bootstate.LOST:
            told["reason"] = STATE_LOST
            told["log"] = []
        elif unhealthy is not None and unhealthy.get("slot", wanted) == wanted:
            told["failed_version"] = unhealthy.get("version") or told["failed_version"]
            told["reason"] = unhealthy.get("reason", "unhealthy")
            told["log"] = unhealthy.get("log", [])
        else:
            # It never came as far as writing why: the kernel, the first programs, or the power.
            told["reason"] = STOPPED if tried else "never_started"
            told["log"] = []
    return told


def last_starts(history: list[Mapping[str, Any]], slot: str) -> list[Mapping[str, Any]]:
    """The starts of `slot` right before the box left it, without those of an earlier version in it."""
    before = list(history)
    while before and before[-1].get("failed_slot") == slot:
        before.pop()  # starts of the system that the box fell back to
    found: list[Mapping[str, Any]] = []
    while before and before[-1].get("slot") == slot:
        found.insert(0, before.pop())
    return found


def _installed_version(slot: str) -> str | None:
    """What RAUC's status file says was installed in a slot."""
    index = bootstate.SLOTS.index(slot)
    try:
        text = Path("/data/system/rauc.status").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    section = re.search(rf"^\[slot\.rootfs\.{index}\]\n((?:[^\[].*\n?|\n)*)", text, re.MULTILINE)
    match = re.search(r"^bundle\.version=(.+)$", section[1], re.MULTILINE) if section else None
    return match[1] if match else None


def read_history(path: Path = HISTORY) -> list[Mapping[str, Any]]:
    """The lines of the history that can be read; a torn last line is left out."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    found = []
    for text in lines:
        try:
            found.append(json.loads(text))
        except ValueError:
            continue
    return found


def write_history(lines: list[Mapping[str, Any]], path: Path = HISTORY) -> None:
    """Replace the history, whole or not at all."""
    part = path.with_suffix(".new")
    with part.open("w", encoding="utf-8") as out:
        out.writelines(json.dumps(entry, ensure_ascii=False) + "\n" for entry in lines[-HISTORY_LINES:])
        out.flush()
        os.fsync(out.fileno())
    part.rename(path)


def mend(history: list[Mapping[str, Any]]) -> bootstate.State:
    """The boot state, mended. With both copies lost the system that ran last is first in the order again.

    What recovery did not begin to do before it was given up is forgotten: whoever ordered it is told, and
    must not meet it weeks later. Raises OSError.
    """
    found = bootstate.repair()
    last = history[-1].get("slot") if history else None
    if found == bootstate.LOST and last in bootstate.SLOTS:
        order = (last, *(slot for slot in bootstate.SLOTS if slot != last))
        bootstate.change(lambda state: replace(state, order=order))
    print(f"boot state: {found}; {bootstate.describe()}")
    state = bootstate.load()
    if state.recovery:  # a system runs all the same: recovery was given up, in the last round too
        state = bootstate.change(lambda one: replace(one, recovery_tries=0))
        try:
            bootstate.drop_order(Places().config)
        except OSError as error:
            print(f"what recovery was to do cannot be forgotten: {error}")
    return state


def main() -> int:
    """Run once, when the disk is mounted."""
    cmdline = CMDLINE.read_text(encoding="utf-8")
    unhealthy = None
    try:
        unhealthy = json.loads(UNHEALTHY.read_text(encoding="utf-8"))
    except FileNotFoundError:
        pass
    except (OSError, ValueError):
        unhealthy = {"reason": "unreadable why-file"}
    try:
        history = read_history(HISTORY)
    except OSError as error:
        print(f"the history of starts cannot be read: {error}")
        history = []
    try:
        state = mend(history)
    except OSError as error:
        print(f"the boot state cannot be used: {error}")
        running = kernel_argument("zongji.slot", cmdline) or "A"
        state = replace(bootstate.UNKNOWN, order=(running,))
    told = line(time.time(), cmdline, state, release.read(Places()).version, history, unhealthy)
    if told.get("reason") == STOPPED and history[-1].get("slot") == told["failed_slot"]:
        told["log"] = journal.last_lines(journal.START_BEFORE)
    try:
        write_history([*history, told], HISTORY)
    except OSError as error:  # a full disk, or none: what failed is told all the same
        print(f"this start is not in the history: {error}")
    files.write_json(RUNNING, told)
    if told["fell_back"]:
        print(
            f"Zongji: system {told['failed_slot']} (version {told['failed_version']}) failed: "
            f"{told['reason']}; system {told['slot']} runs"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
