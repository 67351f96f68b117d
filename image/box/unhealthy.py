"""A service does not stay up although systemd has started it many times.

One that was only too slow to stop when it was started anew on purpose counts for systemd as failed, too, but
is on its way up again: that is nothing. Else, in a version on trial, it is the end of the trial.
In a confirmed one calls are more than pages: the box is started anew when nobody talks, and until then
the service is tried again from time to time.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable

from image.box import commands, confirm, release
from image.box.callsnow import calls_in_progress
from image.box.places import Places

log = logging.getLogger(__name__)

RETRY_S = 60.0
SERVICES = ("control", "web")


def run(places: Places, service: str, pause: Callable[[float], None] = time.sleep) -> int:
    """Look after `service`; the exit status."""
    unit, slot = f"zongji-{service}.service", release.slot(places)
    if _state(unit) in ("activating", "active"):
        log.info("%s was slow to stop and comes up again", unit)
        return 0
    trial = confirm.on_trial(slot)
    while not trial and calls_in_progress(places):
        commands.run("systemctl", "reset-failed", unit)
        commands.run("systemctl", "start", unit, timeout_s=90)
        pause(RETRY_S)
        if _state(unit) == "active":
            log.info("%s stays up again", unit)
            return 0
    confirm.tell_why(places, slot, f"{unit} does not stay up")
    commands.run("systemctl", "reboot")
    return 1


def _state(unit: str) -> str:
    return commands.run("systemctl", "is-active", unit, asks=True).out.strip()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    if len(sys.argv) != 2 or sys.argv[1] not in SERVICES:
        raise SystemExit(f"usage: python -m image.box.unhealthy {'|'.join(SERVICES)}")
    sys.exit(run(Places(), sys.argv[1]))
