"""One page of a long table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import request

PER_PAGE = 25


@dataclass(frozen=True)
class Page:
    """`number` counts from 1."""

    rows: list[dict[str, Any]]
    total: int
    number: int
    per_page: int = PER_PAGE
    sort: str = ""
    descending: bool = False

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return max(1, -(-self.total // self.per_page))

    @property
    def first(self) -> int:
        """Number of the first row shown."""
        return (self.number - 1) * self.per_page + 1

    @property
    def last(self) -> int:
        """Number of the last row shown."""
        return min(self.total, self.number * self.per_page)

    @property
    def around(self) -> list[int]:
        """Page numbers to offer: two on either side."""
        low = max(1, min(self.number - 2, self.pages - 4))
        return list(range(low, min(self.pages, low + 4) + 1))


def wanted_page() -> int:
    """`?page=` of the request, at least 1."""
    return max(1, min(request.args.get("page", 1, type=int), 1_000_000))


def wanted_order(keys: tuple[str, ...], default: str, descending: bool = False) -> tuple[str, bool]:
    """`?sort=` (one of `keys`) and `?order=` of the request."""
    sort = request.args.get("sort", "")
    if sort not in keys:
        return default, descending
    return sort, request.args.get("order") == "desc"


def of_list(
    rows: list[dict[str, Any]],
    text: str,
    search_in: tuple[str, ...],
    keys: tuple[str, ...],
    default: str,
    descending: bool = False,
) -> Page:
    """Search, sort and page a list that fits in memory."""
    if text:
        needle = text.casefold()
        rows = [r for r in rows if any(needle in str(r.get(k, "")).casefold() for k in search_in)]
    sort, down = wanted_order(keys, default, descending)
    rows = sorted(rows, key=lambda r: _natural(r.get(sort)), reverse=down)
    pages = max(1, -(-len(rows) // PER_PAGE))
    number = min(wanted_page(), pages)
    start = (number - 1) * PER_PAGE
    return Page(rows[start : start + PER_PAGE], len(rows), number, sort=sort, descending=down)


def _natural(value: Any) -> tuple[int, float, str]:
    """L2 before L10, numbers before words, nothing first."""
    if value is None:
        return (0, 0.0, "")
    if isinstance(value, int | float):
        return (1, float(value), "")
    text = str(value).casefold()
    digits = "".join(c for c in text if c.isdigit())
    letters = "".join(c for c in text if not c.isdigit())
    return (2, 0.0, letters + digits.rjust(20, "0")) if digits else (2, 0.0, text)
