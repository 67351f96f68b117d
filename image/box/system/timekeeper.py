"""Time as the page shows and sets it."""

from __future__ import annotations

import time
from typing import Any

from image.box import clock, commands, files
from image.box.places import Places
from image.box.problem import Problem
from image.box.system import ask

RESTARTED = ("zongji-control.service", "zongji-web.service")
"""Read the zone once, at their start; calls do not depend on them."""
LOOK_EVERY_S = 20.0


class TimeKeeper:
    """The clock, its zone, and where the time comes from."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._saved_s = time.monotonic() - clock.SAVE_EVERY_S
        self._looked_s = -LOOK_EVERY_S
        self._synced: tuple[bool, str] = (False, "")

    def get(self, params: ask.Params) -> dict[str, Any]:
        """{"now", "zone", "ntp", "servers", "synced", "source", "unset", "zones"}"""
        found = self.state()
        return found | {"zones": clock.zones(self._places)}

    def state(self) -> dict[str, Any]:
        """The same without the long list of zones."""
        synced, source = self._look()
        return {
            "now": time.time(),
            **clock.settings(self._places),
            "synced": synced,
            "source": source,
            "unset": clock.unset(self._places, synced),
        }

    def set(self, params: ask.Params) -> dict[str, Any]:
        """Change zone, servers, or the time itself (`time`, Unix seconds; only without a server). Raises
        Problem."""
        before = clock.settings(self._places)
        wanted = clock.check({name: params.get(name, before[name]) for name in clock.DEFAULT}, self._places)
        if "time" in params:
            self._looked_s = -LOOK_EVERY_S
            if self._look()[0] and wanted["ntp"]:
                raise Problem(
                    "clock_follows_network",
                    "the clock follows a time server; switch that off to set it by hand",
                    "time",
                )
            clock.set_now(self._places, ask.number(params, "time", 0, 1e11))
        if wanted != before:
            files.write_json(self._places.clock_settings, wanted)
            clock.apply(self._places, wanted)
            self._use(before, wanted)
        return self.state()

    def tick(self) -> None:
        """Store the lower bound of time now and then. Raises OSError."""
        now_s = time.monotonic()
        if self._look()[0]:
            clock.believe(self._places)
        if now_s - self._saved_s >= clock.SAVE_EVERY_S:
            self._saved_s = now_s
            clock.save(self._places, self._look()[0])

    def _use(self, before: dict[str, Any], wanted: dict[str, Any]) -> None:
        if (before["ntp"], before["servers"]) != (wanted["ntp"], wanted["servers"]):
            done = commands.run("systemctl", "restart", "chrony.service")
            if not done.ok:
                raise Problem(
                    "time_refused", f"the time service did not start: {commands.last_line(done.text)}"
                )
        if before["zone"] != wanted["zone"]:
            # In a moment: the page that asked shall get its answer first.
            commands.run("systemctl", "restart", "--no-block", *RESTARTED)

    def _look(self) -> tuple[bool, str]:
        if time.monotonic() - self._looked_s >= LOOK_EVERY_S:
            self._synced, self._looked_s = clock.synchronised(), time.monotonic()
        return self._synced
