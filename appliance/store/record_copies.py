"""Call records as JSON files beside the database, kept for some days after they were stored.

A program that has to work on an older copy of the database (after a fall-back, after a restored
backup) carries over from here what that copy has not seen.

    db/records/<day of 86400 s since 1970>/<call>.json     {"record": {...}}
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance.store.calls import Calls
from appliance.store.database import file_mode
from appliance.store.errors import InvalidRow

log = logging.getLogger(__name__)

KEEP_DAYS = 30
DAY_S = 86400.0


@dataclass
class CarriedOver:
    """What `RecordCopies.carry_over` did. refused: sentences about copies that could not be used."""

    calls: int = 0
    refused: list[str] = field(default_factory=list)


class RecordCopies:
    """The copies of one database."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def beside(cls, database: Path) -> RecordCopies:
        """The copies that belong to the database `database`."""
        return cls(database.parent / "records")

    def keep(self, record: Mapping[str, Any], now: float) -> None:
        """Write a copy of a finished record, complete on the disk when this returns. `now`: Unix seconds.
        Raises OSError."""
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
        """Remove the copies of days that are over for `keep_days`. A clock that stands before the copies
        removes nothing. Raises OSError."""
        for day in self._days():
            if int(day.name) < now // DAY_S - keep_days:
                shutil.rmtree(day)

    def carry_over(self, calls: Calls) -> CarriedOver:
        """Store every copy whose call the database does not have as finished. Doing it again changes
        nothing. Raises StoreError."""
        done = CarriedOver()
        for path in self:
            try:
                record = json.loads(path.read_text(encoding="utf-8"))["record"]
                if not isinstance(record["id"], str):
                    raise TypeError("its id is no text")
                known = calls.get(record["id"])
            except (OSError, ValueError, KeyError, TypeError) as error:
                done.refused.append(f"the record copy {path.name} cannot be read ({error}); it stays there")
                continue
            if known is not None and known["final"]:
                continue
            try:
                calls.save(record)
            except InvalidRow as error:
                done.refused.append(f"the record copy {path.name} was not taken ({error}); it stays there")
                continue
            done.calls += 1
        for problem in done.refused:
            log.error("%s", problem)
        return done

    def _days(self) -> list[Path]:
        try:
            found = [day for day in self.folder.iterdir() if day.is_dir() and day.name.isdecimal()]
        except FileNotFoundError:
            return []
        return sorted(found, key=lambda day: int(day.name))
