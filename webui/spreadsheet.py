"""Tables as CSV files for spreadsheets: UTF-8 with a mark, and no cell that is run as a formula."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from flask import Response

from appliance.store.customer_csv import csv_line, safe_cell


def cell(value: Any) -> str:
    """A value as a spreadsheet shall show it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "1" if value else ""
    if isinstance(value, float):
        return f"{value:.1f}"
    if isinstance(value, list | tuple):
        return safe_cell(";".join(map(str, value)))
    return safe_cell(str(value))


def csv_response(name: str, headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> Response:
    """A download of these rows, sent while they are read."""

    def lines() -> Iterator[str]:
        yield "\ufeff" + csv_line(headings)
        for row in rows:
            yield csv_line([cell(value) for value in row])

    response = Response(lines(), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
