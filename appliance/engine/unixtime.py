"""From the core's seconds to Unix seconds, for what leaves the engine."""

from __future__ import annotations

from typing import Any

SNAPSHOT_TIMES = frozenset({"now", "since", "started", "longest_since", "wrap_up_until"})


def record(data: dict[str, Any], offset_s: float) -> dict[str, Any]:
    """A copy of a call record with every `*_at` and the `at` of every step moved by `offset_s`."""
    out = {
        key: value + offset_s if key.endswith("_at") and value is not None else value
        for key, value in data.items()
    }
    out["steps"] = [
        {**step, "at": step["at"] + offset_s} if "at" in step else dict(step)
        for step in data.get("steps", ())
    ]
    return out


def snapshot(data: dict[str, Any], offset_s: float) -> dict[str, Any]:
    """A copy of a live snapshot, or of a reply, with its times moved by `offset_s`: those of its own, of
    its rows and of the rows of its lists. Rows hold no other rows."""
    out = _row(data, offset_s)
    for key, value in data.items():
        if isinstance(value, dict):
            out[key] = _row(value, offset_s)
        elif isinstance(value, list):
            out[key] = [_row(item, offset_s) if isinstance(item, dict) else item for item in value]
    return out


def _row(row: dict[str, Any], offset_s: float) -> dict[str, Any]:
    out = row.copy()
    for key in SNAPSHOT_TIMES:
        if (value := row.get(key)) is not None:
            out[key] = round(value + offset_s, 3)
    return out
