"""Tells the boot loader that this version is healthy: engine, control and pages do their work.

A version that does not get there in time leaves the reason in `unhealthy.json` and starts the box anew: the
boot loader counts the tries of a slot that was never confirmed and goes back to the other one. A database
that is damaged is not unhealthy: calls go on, and the old version could not read it either.
"""

from __future__ import annotations

import json
import logging
import ssl
import sys
import time
import urllib.request
from collections.abc import Callable
from typing import Any

from appliance.client import ControlClient, WireError
from image.box import bootstate, commands, files, journal, release
from image.box.callsnow import calls_in_progress
from image.box.places import Places

log = logging.getLogger(__name__)

WAIT_S = 120.0
EVERY_S = 2.0
SERVICES = ("engine", "control", "web")
HEALTH = "https://127.0.0.1/health"

Look = Callable[[], str]


def problem(places: Places) -> str:
    """Why the box is not healthy at this moment; "" when it is."""
    for name in SERVICES:
        done = commands.run("systemctl", "is-active", f"zongji-{name}.service", timeout_s=10, asks=True)
        if done.out.strip() != "active":
            return f"zongji-{name} is {done.out.strip() or 'unknown'}"
    try:
        status = ControlClient(places.home / "run" / "control.sock").call("status")
    except WireError as error:
        return f"control: {error}"
    engine = status.get("engine", {}) if isinstance(status, dict) else {}
    if not engine.get("up"):
        return f"the call engine: {engine.get('problem') or 'not connected'}"
    if on_trial(release.slot(places)):
        # Without it no later update could be installed. A version that was healthy once does without.
        try:
            ControlClient(places.socket, peer="the system daemon").call("status")
        except WireError as error:
            return f"the system daemon: {error}"
    return _pages()


def _pages() -> str:
    trusting = ssl.create_default_context()
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE  # our own certificate, on our own loopback
    try:
        with urllib.request.urlopen(HEALTH, timeout=5, context=trusting) as answer:
            found: Any = json.load(answer)
    except (OSError, ValueError) as error:
        return f"the pages: {error}"
    return "" if isinstance(found, dict) and found.get("web") == "ok" else "the pages give no sensible answer"


def wait(look: Look, clock: Callable[[], float], pause: Callable[[float], None]) -> str:
    """Look until the box is healthy or WAIT_S is over; the last problem, "" when it is healthy."""
    until = clock() + WAIT_S
    while found := look():
        if clock() >= until:
            return found
        pause(EVERY_S)
    return ""


def tell_why(places: Places, slot: str, reason: str) -> None:
    """Leave version, reason and log for whoever asks why this version was left. Raises OSError."""
    lines = journal.last_lines()
    try:
        version = release.read(places).version
    except release.NoRelease as error:
        version, reason = "", f"{reason}; {error}"
    files.write_json(
        places.system / "unhealthy.json",
        {"slot": slot, "version": version, "reason": reason, "at": time.time(), "log": lines},
    )


def on_trial(slot: str) -> bool:
    """Was this slot never confirmed?"""
    return bool(slot) and not bootstate.load().slot(slot).confirmed


def _confirm(slot: str) -> int:
    try:
        bootstate.confirm(slot)
    except OSError as error:
        # Healthy all the same: nothing is gained by starting the box anew.
        log.error("slot %s is healthy, but the boot state cannot be written: %s", slot, error)
        return 1
    log.info("slot %s is healthy", slot)
    return 0


def run(places: Places, look: Look, clock: Callable[[], float], pause: Callable[[float], None]) -> int:
    """Confirm this slot, or give it up; the exit status."""
    slot = release.slot(places)
    if not slot:
        log.warning("this system was not started from a slot: nothing to confirm")
        return 0
    reason = wait(look, clock, pause)
    # Calls are more than pages: in a version that was healthy once nobody who talks is cut off.
    while reason and not on_trial(slot) and calls_in_progress(places):
        pause(EVERY_S)
        reason = look()
    if not reason:
        return _confirm(slot)
    log.error("slot %s does not get healthy: %s", slot, reason)
    try:
        tell_why(places, slot, reason)
    except OSError as error:
        log.error("the reason could not be stored: %s", error)
    commands.run("systemctl", "reboot")
    return 1


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    here = Places()
    sys.exit(run(here, lambda: problem(here), time.monotonic, time.sleep))
