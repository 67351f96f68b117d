"""What a version that is not newer than the box's own would find of its data.

A database is never read backwards: an older program works on the last one that it knows, and the newer one is
kept for a newer program (docs/recovery.md; the names are those of `appliance.store.fallback`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from image.box import release
from image.box.release import Release

DATABASE = Path("db/zongji.db")
"""Below the product's data directory."""
MAGIC = b"SQLite format 3\0"
HEADER = 64
"""Bytes of a database's beginning, with the number of its schema (user_version, at offset 60)."""


@dataclass(frozen=True)
class GoingBack:
    """database: "same": the version knows the present one; "copy": it uses the last one that it knows, of
    `day`; "none": there is none that it knows."""

    here: str
    new: str
    database: str
    day: str = ""


def look(new: Release, here: str, home: Path | None) -> GoingBack | None:
    """Is it going back to write the version `new` where `here` is now? home: the product's data directory,
    None where it cannot be read."""
    database, day = _database(home / DATABASE, new.schema) if home else ("same", "")
    if database == "same" and release.order(new.version) >= release.order(here):
        return None
    return GoingBack(here, new.version, database, day)


def _database(path: Path, schema: int) -> tuple[str, str]:
    present = _schema(path)
    if present is None or present <= schema:
        return "same", ""
    own = path.parent / f"schema-{schema}" / path.name
    copy = path.parent / "copies" / f"{path.stem}-before-{schema + 1}.db"
    for found in (own, copy):
        if _schema(found) == schema:
            return "copy", time.strftime("%Y-%m-%d", time.localtime(found.stat().st_mtime))
    return "none", ""


def _schema(path: Path) -> int | None:
    """Number of a database's schema, None where there is none that can be read."""
    try:
        with path.open("rb") as file:
            head = file.read(HEADER)
    except OSError:
        return None
    if len(head) < HEADER or not head.startswith(MAGIC):
        return None
    return int.from_bytes(head[60:64], "big")
