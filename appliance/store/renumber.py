"""Stored numbers normalised anew, when the country or the area code has changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from appliance.store.database import Database

AT_A_TIME = 500
"""Numbers in one transaction, so that others can write in between."""


def renumber(database: Database, table: str, forms: Callable[[str], Mapping[str, str]]) -> None:
    """Set the columns that depend on `number`. forms: a number as written -> column -> value."""
    last = ""
    while True:
        with database.write() as db:
            rows = database.read(
                f"SELECT DISTINCT number FROM {table} WHERE number > ? ORDER BY number LIMIT ?",
                [last, AT_A_TIME],
            )
            for row in rows:
                changed = forms(row["number"])
                columns = ", ".join(f"{column} = ?" for column in changed)
                values = [*changed.values(), row["number"]]
                db.execute(f"UPDATE {table} SET {columns} WHERE number = ?", values)
        if not rows:
            return
        last = rows[-1]["number"]
