"""Which recordings go: by age, then by quota, never a starred one (E8)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from appliance.paths import Home
from appliance.store import Store
from appliance.store.steady import DAY_S, SteadyClock

log = logging.getLogger(__name__)

BATCH = 500
STEADY_DAYS = 30
"""The clock must have gone on for so long before a recording is deleted by age, because none comes back: by
then somebody has seen a wrong year. Where recordings are kept for less, what is older than a jump has by then
been kept for long enough, whatever the clock says."""


@dataclass
class Sweep:
    """What one pass did. problems: sentences about files that could not be deleted."""

    deleted: int = 0
    freed_bytes: int = 0
    kept_bytes: int = 0
    problems: list[str] = field(default_factory=list)


def locate(home: Home, recording: str) -> Path | None:
    """File of a recording as a record names it (relative to the recordings folder or to the data
    directory, or absolute); None when it points outside the recordings folder."""
    root = home.recordings.resolve()
    candidates = (
        [Path(recording)] if Path(recording).is_absolute() else [root / recording, home.root / recording]
    )
    inside = [path.resolve() for path in candidates if path.resolve().is_relative_to(root)]
    return next((path for path in inside if path.is_file()), inside[0] if inside else None)


def sweep(store: Store, home: Home, now: float, keep_days: int, quota_bytes: int) -> Sweep:
    """Delete recordings older than `keep_days` (0 = never by age; not while the clock may have jumped), then
    the oldest until all of them together fit in `quota_bytes` (0 = no limit). `now`: Unix seconds. Raises
    StoreError."""
    done = Sweep()
    steady = SteadyClock(home.clock).steady(now, min(keep_days, STEADY_DAYS) + 1)
    if keep_days and steady:
        _delete_while(store, home, done, now - keep_days * DAY_S, lambda: True)
    done.kept_bytes = _size_of(home.recordings)
    if quota_bytes and done.kept_bytes > quota_bytes:
        start = done.freed_bytes
        total = done.kept_bytes
        _delete_while(store, home, done, None, lambda: total - (done.freed_bytes - start) > quota_bytes)
        done.kept_bytes = total - (done.freed_bytes - start)
    if done.deleted:
        log.info("retention: %d recordings deleted, %d bytes freed", done.deleted, done.freed_bytes)
    return done


def _delete_while(
    store: Store, home: Home, done: Sweep, before: float | None, wanted: Callable[[], bool]
) -> None:
    stuck: set[str] = set()
    while True:
        rows = [row for row in store.calls.recordings(before, BATCH + len(stuck)) if row["id"] not in stuck]
        if not rows:
            return
        for row in rows:
            if not wanted():
                return
            if not _delete(store, home, done, row["id"], row["recording"]):
                stuck.add(row["id"])


def _delete(store: Store, home: Home, done: Sweep, call_id: str, recording: str) -> bool:
    """File first: a row without its file is mended by the next pass, a file without its row by nothing."""
    path = locate(home, recording)
    if path is None:
        done.problems.append(f"recording {recording!r} of call {call_id} lies outside {home.recordings}")
        return False
    try:
        size = path.stat().st_size if path.exists() else 0
        path.unlink(missing_ok=True)
    except OSError as error:
        done.problems.append(f"{path} cannot be deleted: {error.strerror}")
        return False
    store.calls.recording_gone(call_id)
    done.deleted += 1
    done.freed_bytes += size
    return True


def _size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.wav") if path.is_file())
