"""Whether the clock may be trusted with removing things: it has gone on day by day for some days.

    clock.json    {"since": day of 86400 s since 1970, "last": day of the last look}

A clock that has jumped is trusted again once it has gone on for so long; so is that of a box which was
switched off for a long time, because the two cannot be told apart.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)

DAY_S = 86400.0
JUMP_DAYS = 7
"""A longer gap between two looks, the box switched on or off, is taken for a jump of the clock."""


class SteadyClock:
    """What `path` remembers of the clock. Each has its own idea of when it was looked at last."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def steady(self, now: float, days: int) -> bool:
        """Look at the clock, `now` in Unix seconds: has it gone on for `days` days, the first of them not
        whole, without a jump? A jump that the disk does not take is one again at the next look."""
        today = int(now // DAY_S)
        known = self._known()
        since, last = known or (today, today)
        if not last - 1 <= today <= last + JUMP_DAYS:  # set back a little at midnight is no jump
            log.warning("the clock has jumped by %d days: it removes nothing for some time", today - last)
            since = last = today
        last = max(last, today)
        if known != (since, last):
            self._save(since, last)
        return today - since >= days

    def _known(self) -> tuple[int, int] | None:
        try:
            told = json.loads(self._path.read_text(encoding="utf-8"))
            return int(told["since"]), int(told["last"])
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            return None

    def _save(self, since: int, last: int) -> None:
        half = self._path.with_suffix(".part")
        try:
            with half.open("w", encoding="utf-8") as file:
                json.dump({"since": since, "last": last}, file)
                file.flush()
                os.fsync(file.fileno())
            half.replace(self._path)
        except OSError as error:
            log.warning("%s cannot be written: %s", self._path, error.strerror or error)
