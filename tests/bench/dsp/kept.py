"""Figures of the long run (`make bench-long`) as rows beside those of the day, each with its date."""

from __future__ import annotations

import json
from pathlib import Path

FILE = Path(__file__).parents[3] / "docs" / "dsp-long.json"
NAMES = {
    "fresh": "fresh recordings",
    "heard": "recordings heard before thresholds were changed",
    "judging": "judging half, heard before thresholds were changed",
}
JUDGED = {
    "fresh": ("false_digits", "false_caller_ids", "false_hang_ups"),
    "heard": (),
    "judging": ("false_caller_ids", "false_hang_ups"),
}
"""The counts that no threshold was changed for."""
AN_HOUR = 180_000
"""Ticks."""
EVENTS = (
    ("false_digits", "false digits", "0 in ≥ 20 h"),
    ("false_caller_ids", "false caller IDs", "0 in ≥ 20 h"),
    ("false_hang_ups", "false hang-ups", "≤ 1 in 100 h"),
)


def load():
    """What was kept, by part: "judging", "heard", "fresh", "ticks"."""
    return json.loads(FILE.read_text()) if FILE.exists() else {}


def keep(part, found):
    """Renew one part; the others stay as they are."""
    FILE.write_text(json.dumps(load() | {part: found}, indent=2, ensure_ascii=False) + "\n")


def few_enough(found, key):
    """Whether a count is within its target, and the hours are enough to say so."""
    if key == "false_hang_ups":
        return found["hang_up_hours"] >= 100 and found[key] <= found["hang_up_hours"] / 100
    return found["hours"] >= 20 and found[key] == 0


def measure(findings):
    """Nothing is measured: rows of what was."""
    found = load()
    findings.begin("long run", "of `make bench-long`, at the date in each row")
    for part, name in NAMES.items():
        for key, what, target in EVENTS:
            if part not in found:
                findings.add(f"{what}, {name}", target, "not measured yet", None)
                continue
            this = found[part]
            hours = this["hang_up_hours" if key == "false_hang_ups" else "hours"]
            judged = key in JUDGED[part]
            findings.add(
                f"{what}, {name}",
                target if judged else "-",
                f"{this[key]} in {hours} h, {this['date']}",
                few_enough(this, key) if judged else None,
            )
    what = "an hour of ticks, 64 channels, everything on: processor time of each, which is no lateness"
    if "ticks" not in found:
        findings.add(what, "none over 20 ms", "not measured yet", None)
        return
    ticks = found["ticks"]
    findings.add(
        what,
        "none over 20 ms",
        f"{ticks['over_20_ms']} of {ticks['ticks']} over 20 ms (mean {ticks['mean_ms']:.2f} ms, 99.9th "
        f"percentile {ticks['p99_9_ms']:.1f} ms, worst {ticks['worst_ms']:.1f} ms), {ticks['date']}; "
        f"rows on: {ticks['rows_on']}",
        ticks["over_20_ms"] == 0 and ticks["ticks"] >= AN_HOUR,
    )
