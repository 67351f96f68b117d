"""The screen and the serial port: what the box is called, where it is reached, how it is. No login.

Texts are in English: neither port can be relied on to show Chinese. On the serial port only what changes is
sent, so that a recorder there is not filled.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

from appliance.client import ControlClient, WireError
from image.box import netapply
from image.box.places import Places
from image.box.system.network import since_boot
from image.box.update import fault
from image.box.update.history import STATE_LOST

EVERY_S = 3.0
STARTING_EVERY_S = 1.0
LATE_S = 180.0
"""Whoever has not answered so long after the start is not starting any more."""
CLEAR = "\x1b[H\x1b[2J\x1b[3J"
STATES = {
    "clock_unset": "The clock has never been set: set the time on the page Time.",
    "network_settings_damaged": "The network settings were damaged: DHCP is used.",
    "network_socket_gone": "The network socket of the settings is gone: DHCP is used.",
    "config_restored": "The config partition was damaged and restored from its copy.",
    "data_repaired": "The data partition was damaged and has been repaired.",
    "config_memory": "The config partition cannot be used: its copy serves. Have the disk replaced.",
    "config_defaults": "The config partition cannot be used, nor a copy of it: the box has its defaults."
    " Have the disk replaced.",
    "data_unreadable": "The data partition cannot be read. Calls go on from memory, NOTHING IS STORED."
    " Restart; if this stays, start recovery or replace the disk.",
    "data_missing": "The data partition is missing. Calls go on from memory, NOTHING IS STORED."
    " Start recovery or replace the disk.",
    "data_full": "The data partition was full at the start. Calls go on and are not recorded.",
    "config_readonly": "The config partition is damaged and takes no changes: restart the box.",
    "recovery_failed": "The recovery system did not come up. Keep a recovery stick at hand.",
    "recovery_unfinished": "Recovery has done half of what was ordered: finish it with the recovery stick.",
    "boot_state_unreadable": "The boot state cannot be read. Have the disk replaced.",
    "config_lost": "The config partition was damaged: its settings are at their defaults.",
    "disk_small": "The disk has less than the 4 GB that are wanted: there is little room for recordings.",
}
BOOT_STATE = {
    "one_lost": "One of the two copies of the boot state was lost at the last start and was written anew."
    " If this happens again, have the disk replaced.",
    "lost": "Both copies of the boot state were lost at the last start and were written anew."
    " If this happens again, have the disk replaced.",
}
DISK = {
    "warn": "The disk is filling up: remove old recordings or backups on the pages.",
    "alarm": "THE DISK IS NEARLY FULL: recording stops before calls do. Remove recordings or backups on the"
    " pages.",
    "read_only": "The disk takes nothing any more. Calls go on, NOTHING IS STORED. Restart the box.",
    "unknown": "The disk cannot be measured: restart the box; if this stays, have the disk checked.",
}
"""By control's level of the disk, without figures: a serial port shall not be told of every megabyte."""
NOT_RECORDED = "Calls are NOT RECORDED: the disk does not take recordings. Make room on it."

Fact = dict[str, Any]


def look(places: Places) -> Fact:
    """What there is to show, from control, the system daemon and the kernel."""
    settings, _ = netapply.load(places)
    found: Fact = {"name": f"{settings['hostname']}.local", "addresses": _addresses(), "up_s": since_boot()}
    found["box"] = _told(ControlClient(places.socket, peer="the system daemon"), "status")
    control = ControlClient(places.home / "run" / "control.sock")
    # Without its database control cannot tell who owns the box, and yet how it is.
    found["claim"], found["status"] = _told(control, "claim"), _told(control, "status")
    return found


def _told(client: ControlClient, what: str) -> Fact | None:
    try:
        answer: Fact = client.call(what)
    except WireError:
        return None
    return answer


def _addresses() -> list[str]:
    rows = [one.partition("/")[0] for row in netapply.state() for one in row["addresses"]]
    # Link-local addresses of IPv6 cannot be typed into a browser.
    return [one for one in rows if not one.lower().startswith("fe80:")]


def page(fact: Fact) -> str:
    """The text; the same facts give the same text."""
    box = fact["box"] or {}
    status = fact["status"] or {}
    engine = status.get("engine", {})
    lines = ["", f"  Zongji {box.get('version', '')}".rstrip(), ""]
    lines.append(f"  Pages     https://{fact['name']}/")
    for one in fact["addresses"]:
        lines.append(f"            https://{f'[{one}]' if ':' in one else one}/")
    if not fact["addresses"]:
        lines.append("            no address yet: is the network cable plugged in?")
    if box.get("serial"):
        lines.append(f"  Serial    {box['serial']}")
    late = fact["up_s"] > LATE_S
    if fact["status"] is None:
        state = "control does not answer: the pages do not work" if late else "starting"
    elif engine.get("up"):
        state = "takes calls"
    else:
        state = f"no calls: {engine.get('problem') or 'the call engine is not running'}"
    lines.append(f"  State     {state}")
    claim = fact["claim"] or {}
    if claim.get("code"):
        lines += ["", f"  Claim code {claim['code']}   (open the pages and make the administrator with it)"]
    warnings = _warnings(box) + _disk_warnings(status)
    if late and not box:
        warnings.append("The system service does not answer: what it watches is not told here.")
    if status.get("maintenance"):
        warnings.insert(0, "The database cannot be used. Calls go on; open the pages to repair it.")
    lines += ["", *(f"  ! {text}" for text in warnings)]
    return "\n".join(lines).rstrip() + "\n"


def _warnings(box: Fact) -> list[str]:
    states = box.get("states", [])
    found = [STATES.get(code, code) for code in states]
    if box.get("boot_state") in BOOT_STATE and "boot_state_unreadable" not in states:
        found.append(BOOT_STATE[box["boot_state"]])
    if (box.get("time") or {}).get("unset"):
        found.append(STATES["clock_unset"])
    if box.get("board") == "sim":
        found.append("The simulated office is on: no real line is used.")
    back = box.get("fell_back")
    if back and back.get("reason") == STATE_LOST:
        found.append(f"Version {back.get('version')} does not run: the boot state was lost. Restart the box.")
    elif back:
        found.append(f"Version {back.get('version')} did not get healthy and was left: {back.get('reason')}")
    update = box.get("update") or {}
    if update.get("state") == "failed":
        found.append(_not_installed(update))
    elif update.get("state") not in (None, "idle", "cancelled"):
        found.append(f"An update is going on: {update.get('state')} {update.get('percent', 0)} %")
    if box.get("network_trial"):
        found.append("New network settings wait to be confirmed on the page.")
    support = box.get("ssh") or {}
    if support.get("open"):
        minutes = max(1, round(support.get("left_s", 0) / 60))
        found.append(f"REMOTE SUPPORT IS OPEN for another {minutes} min ({support.get('fingerprint')})")
    return found


def _not_installed(update: Fact) -> str:
    """The last update's refusal or failure; it stays until the next one begins or a newer version runs."""
    problem, file = update.get("problem") or {}, update.get("file")
    which = " ".join(part for part in (update.get("version"), f"({file})" if file else "") if part)
    why = f"{problem.get('code', 'update_failed')}: {problem.get('message', '')}".rstrip(": ")
    if problem.get("code") == fault.UNREADABLE:
        return _plain(f"What became of the last update is not known. {why}")
    return _plain(f"The last update was not installed: {which or '?'}. {why}")


def _plain(text: str) -> str:
    """One line of ASCII: names and reasons come from sticks and other programs."""
    return "".join(one if " " <= one <= "~" else "?" for one in " ".join(text.split()))


def _disk_warnings(status: Fact) -> list[str]:
    """What control has found out about the disk while the box runs."""
    disk = status.get("disk") or {}
    level = disk.get("level")
    # Before control has looked it is unknown, without a problem.
    found = [DISK[level]] if level in DISK and (level != "unknown" or disk.get("problem")) else []
    engine = status.get("engine") or {}
    if engine.get("up") and (status.get("engine_health") or {}).get("recording_ok") is False:
        found.append(NOT_RECORDED)
    return found


def run(places: Places, out: TextIO, pause: Callable[[float], None], rounds: int | None = None) -> None:
    """Show the page whenever it changes. rounds: how often to look; None for ever."""
    shown = ""
    screen = not _serial()
    while rounds is None or rounds > 0:
        fact = look(places)
        text = page(fact)
        if text != shown:
            shown = text
            out.write((CLEAR if screen else "\r\n") + text.replace("\n", "\r\n"))
            out.flush()
        pause(EVERY_S if fact["status"] else STARTING_EVERY_S)
        rounds = None if rounds is None else rounds - 1


def _serial() -> bool:
    """Is the output a serial port?"""
    try:
        return "ttyS" in os.ttyname(1)
    except OSError:
        return True


if __name__ == "__main__":
    run(Places(), sys.stdout, time.sleep)
