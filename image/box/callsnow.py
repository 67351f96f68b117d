"""How many calls there are: asked of control, or counted from the engine's own files when control is away."""

from __future__ import annotations

from appliance.client import ControlClient, WireError
from image.box.places import Places


def calls_in_progress(places: Places) -> int:
    """Calls at this moment. Answered ones leave a file while they last, also without control."""
    try:
        live = ControlClient(places.home / "run" / "control.sock").call("snapshot")
    except WireError:
        return sum(1 for _ in (places.home / "spool").glob("*.open"))
    calls = live.get("calls") if isinstance(live, dict) else None
    return len(calls) if isinstance(calls, list) else 0
