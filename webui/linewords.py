"""What a line has learned of its exchange's disconnect tone, in words."""

from __future__ import annotations

from typing import Any

from webui.tongue import gettext as _


def disconnect_tone(row: dict[str, Any]) -> str:
    """Of a line of the engine's `health`: "450 Hz 350/350 ms, 98 %, detected after 1.8 s"; "" before the
    first call has ended with one."""
    tone = row.get("tone")
    if not tone:
        return ""
    hz = "+".join(str(f) for f in tone["frequencies_hz"])
    percent = round(100 * tone["confidence"])
    cadence = f"{tone['on_ms']:.0f}/{tone['off_ms']:.0f} ms" if tone["off_ms"] else _("continuous")
    parts = [f"{hz} Hz {cadence}", f"{percent} %"]
    if row.get("tone_latency_s") is not None:
        parts.append(_("detected after %(seconds)s s", seconds=f"{row['tone_latency_s']:.1f}"))
    if tone["state"] == "learning":
        parts.append(_("still learning, calls so far: %(count)s", count=tone["ends"]))
    elif tone["state"] == "used":
        parts.append(_("learned on this line"))
    return ", ".join(parts)
