"""How many calls there are: asked of control, or counted from the engine's own files when control is away."""

from __future__ import annotations

from appliance.client import ControlClient, WireError
from image.box import commands
from image.box.places import Places


def calls_in_progress(places: Places) -> int:
    """Calls at this moment. Answered ones leave a file while they last, also without control."""
    try:
        live = ControlClient(places.home / "run" / "control.sock").call("snapshot")
    except WireError:
        return sum(1 for _ in (places.home / "spool").glob("*.open")) if _engine_is_ready() else 0
    calls = live.get("calls") if isinstance(live, dict) else None
    return len(calls) if isinstance(calls, list) else 0


def _engine_is_ready() -> bool:
    """What a crashed engine has left is no call, and the next one takes it away when it starts."""
    done = commands.run("systemctl", "is-active", "zongji-engine.service", timeout_s=10, asks=True)
    return done.out.strip() == "active"
