"""What may be said of a line's copper and exchange, and how it is said."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import Any

from appliance.scenario.text import Item, closest
from board.sim.config import LineConfig, OfficeError

CIRCUITS: dict[str, Any] = {f.name: f.default for f in fields(LineConfig) if f.name != "number"}
"""What may be said of a line's copper and exchange, with the default: the settings of the simulated line."""

SHORT_CIRCUITS = {
    "loss": "loss_db",
    "noise": "noise_dbm0",
    "hum": "hum_dbm0",
    "tilt": "tilt_db",
    "echo": "erl_db",
    "far_echo": "far_echo_db",
    "reversal": "polarity_reversal",
    "dial_tone_delay": "dial_tone_delay_ms",
    "disconnect_delay": "disconnect_delay_ms",
    "battery_drop": "battery_drop_ms",
}
"""Short names of line settings; the long ones are understood too."""

DISCONNECTS: dict[str, dict[str, Any]] = {
    "tone": {"disconnect_tone": "busy", "battery_drop_ms": 0, "polarity_reversal": False},
    "congestion": {"disconnect_tone": "congestion", "battery_drop_ms": 0, "polarity_reversal": False},
    "dial": {"disconnect_tone": "dial", "battery_drop_ms": 0, "polarity_reversal": False},
    "battery": {"disconnect_tone": "none", "battery_drop_ms": 500, "polarity_reversal": False},
    "polarity": {"disconnect_tone": "none", "battery_drop_ms": 0, "polarity_reversal": True},
    "none": {"disconnect_tone": "none", "battery_drop_ms": 0, "polarity_reversal": False},
}
"""`disconnect:`: how the exchange shows that the other side has gone."""


def circuit_name(name: str) -> str | None:
    """The full name of a line setting given in full, in short or as `disconnect`; None when unknown."""
    folded = re.sub(r"[\s-]+", "_", name.strip().lower())
    if folded == "disconnect":
        return folded
    folded = SHORT_CIRCUITS.get(folded, folded)
    return folded if folded in CIRCUITS else None


def circuit_values(name: str, item: Item) -> dict[str, Any]:
    """Settings of the simulated line for one `name: value`. Raises StoryError for a value that cannot be."""
    full = circuit_name(name)
    if full == "disconnect":
        word = item.as_text("disconnect").lower()
        if word not in DISCONNECTS:
            raise item.fail(f"disconnect is one of {', '.join(DISCONNECTS)}, not `{word}`.")
        return DISCONNECTS[word]
    if full is None:
        known = ["disconnect", *SHORT_CIRCUITS, *CIRCUITS]
        raise item.fail(f"a line has no `{name}`.{closest(name, known)} Known: {', '.join(known)}.")
    like = CIRCUITS[full]
    value: Any
    if isinstance(like, bool):
        value = item.as_bool(name)
    elif isinstance(like, str):
        value = item.as_text(name)
    else:
        value = item.as_number(name)
        if full.endswith("_ms") and item.text is not None and re.search(r"\d\s*(s|min)\b", item.text):
            value *= 1000.0
        if isinstance(like, int):
            value = round(value)
    try:
        LineConfig(**{full: value}).check("line")
    except OfficeError as error:
        raise item.fail(f"{error}.".replace("line: ", "", 1)) from error
    return {full: value}
