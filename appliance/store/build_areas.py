"""Make the table of areas (`areas.py`) from libphonenumber's own tables.

Run as `python -m appliance.store.build_areas`; a table of the same version is kept.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import phonenumbers
from phonenumbers.geodata import GEOCODE_DATA
from phonenumbers.geodata.locale import LOCALE_DATA

from appliance.store.areas import BUILT

LANGUAGES = ("en", "zh")

_SCHEMA = """
CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE en (prefix INTEGER PRIMARY KEY, name INTEGER NOT NULL);
CREATE TABLE zh (prefix INTEGER PRIMARY KEY, name INTEGER NOT NULL);
CREATE TABLE countries (region TEXT PRIMARY KEY, en TEXT NOT NULL, zh TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE version (version TEXT NOT NULL);
"""


def fill(table: sqlite3.Connection) -> None:
    """Write what libphonenumber knows into an empty database."""
    table.executescript(_SCHEMA)
    names: dict[str, int] = {}
    for language in LANGUAGES:
        rows = [
            (int(prefix), names.setdefault(found[language], len(names)))
            for prefix, found in GEOCODE_DATA.items()
            if language in found
        ]
        table.executemany(f"INSERT INTO {language} VALUES (?, ?)", sorted(rows))
    table.executemany("INSERT INTO names VALUES (?, ?)", ((key, name) for name, key in names.items()))
    table.executemany("INSERT INTO countries VALUES (?, ?, ?)", sorted(_countries(LOCALE_DATA)))
    table.execute("INSERT INTO version VALUES (?)", (phonenumbers.__version__,))
    table.commit()


def _countries(data: dict[str, dict[str, str]]) -> Iterator[tuple[str, ...]]:
    for region, found in data.items():
        names = [found.get(language, "") for language in LANGUAGES]
        # "*fr" stands for: as in French.
        yield (region, *(found.get(name[1:], "") if name.startswith("*") else name for name in names))


def build(target: Path) -> bool:
    """Make the table; False when one of this version is there already. Raises OSError."""
    if target.is_file():
        with sqlite3.connect(target) as table:
            version = table.execute("SELECT version FROM version").fetchone()[0]
        table.close()
        if version == phonenumbers.__version__:
            return False
    target.parent.mkdir(parents=True, exist_ok=True)
    new = target.with_suffix(".new")
    new.unlink(missing_ok=True)
    table = sqlite3.connect(new)
    fill(table)
    table.close()
    new.replace(target)
    return True


if __name__ == "__main__":
    build(BUILT)
