"""Call records and short messages as JSON files beside the database, kept for some days after they were
stored.

A program that has to work on an older copy of the database (after a fall-back, after a restored
backup) carries over from here what that copy has not seen.

    db/records/<day of 86400 s since 1970>/<call>.json       {"record": {...}}
    db/messages/<day of 86400 s since 1970>/<message>.json   {"record": {...}}
    …/clock.json     since when the clock has gone on without a jump
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance.store.calls import Calls
from appliance.store.database import file_mode
from appliance.store.errors import InvalidRow
from appliance.store.messages import Messages
from appliance.store.steady import DAY_S, SteadyClock

log = logging.getLogger(__name__)

KEEP_DAYS = 30
STEADY_DAYS = 3
"""The clock must have gone on for so long before anything is removed by it."""
CLOCK = "clock.json"


Record = dict[str, Any]


@dataclass
class CarriedOver:
    """What was carried over. refused: sentences about copies that could not be used."""

    calls: int = 0
    refused: list[str] = field(default_factory=list)


class RecordCopies:
    """The copies of one kind that belong to one database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def beside(cls, database: Path, kind: str = "records") -> RecordCopies:
        """The copies that belong to the database `database`. kind: "records" or "messages"."""
        return cls(database.parent / kind)

    def keep(self, record: Mapping[str, Any], now: float) -> None:
        """Write a copy of a finished record (by its `id`), complete on the disk when this returns.
        `now`: Unix seconds. Raises OSError."""
        day = self.folder / str(int(now // DAY_S))
        day.mkdir(parents=True, exist_ok=True)
        path = day / f"{record['id']}.json"
        half = path.with_suffix(".part")
        with half.open("w", encoding="utf-8") as file:
            half.chmod(file_mode(self.folder.parent))
            json.dump({"record": dict(record)}, file, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        half.replace(path)

    def __iter__(self) -> Iterator[Path]:
        """Every copy, oldest day first."""
        for day in self._days():
            yield from sorted(day.glob("*.json"))

    def prune(self, now: float, keep_days: int = KEEP_DAYS) -> None:
        """Remove the copies of days that are over for `keep_days`. A clock that has jumped removes nothing
        until it has gone on steadily for STEADY_DAYS. Raises OSError."""
        today = int(now // DAY_S)
        if not self.folder.is_dir() or not SteadyClock(self.folder / CLOCK).steady(now, STEADY_DAYS):
            return
        for day in self._days():
            if int(day.name) < today - keep_days:
                shutil.rmtree(day)
            elif int(day.name) > today + 1:  # made while the clock was ahead
                for path in day.iterdir():
                    (self.folder / str(today)).mkdir(exist_ok=True)
                    path.replace(self.folder / str(today) / path.name)
                day.rmdir()

    def carry_over(self, calls: Calls) -> CarriedOver:
        """Store every copy whose call the database does not have as finished. Doing it again changes
        nothing. Raises StoreError."""

        def save(record: Record) -> bool:
            known = calls.get(record["id"])
            if known is not None and known["final"]:
                return False
            calls.save(record)
            return True

        return self._carry(save)

    def carry_over_messages(self, messages: Messages) -> CarriedOver:
        """Store every copy of a short message again: the same changes nothing. Raises StoreError."""

        def save(record: Record) -> bool:
            messages.save(record["id"], record, True)
            return False

        return self._carry(save)

    def _carry(self, save: Callable[[Record], bool]) -> CarriedOver:
        done = CarriedOver()
        for path in self:
            try:
                record = json.loads(path.read_text(encoding="utf-8"))["record"]
                if not isinstance(record["id"], str):
                    raise TypeError("its id is no text")
            except (OSError, ValueError, KeyError, TypeError) as error:
                done.refused.append(f"the copy {path.name} cannot be read ({error}); it stays there")
                continue
            try:
                done.calls += save(record)
            except (InvalidRow, KeyError, TypeError) as error:
                done.refused.append(f"the copy {path.name} was not taken ({error}); it stays there")
        for problem in done.refused:
            log.error("%s", problem)
        return done

    def _days(self) -> list[Path]:
        try:
            found = [day for day in self.folder.iterdir() if day.is_dir() and day.name.isdecimal()]
        except FileNotFoundError:
            return []
        return sorted(found, key=lambda day: int(day.name))
