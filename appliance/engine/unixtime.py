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
    """A copy of a live snapshot, or of part of one, with its times moved by `offset_s`."""
    out: dict[str, Any] = {}
    for key, value in data.items():
        if key in SNAPSHOT_TIMES and isinstance(value, int | float):
            out[key] = round(value + offset_s, 3)
        elif isinstance(value, dict):
            out[key] = snapshot(value, offset_s)
        elif isinstance(value, list):
            out[key] = [snapshot(item, offset_s) if isinstance(item, dict) else item for item in value]
        else:
            out[key] = value
    return out
