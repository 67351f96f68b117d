"""The notice of a finished restore has been read."""

from __future__ import annotations

from appliance.services import restore
from appliance.services.repairs.model import NOTHING, Tools


def run(tools: Tools) -> str:
    """The notice of a finished restore has been read."""
    state = restore.state_of(tools.home)
    if state is not None and state.step == "done":
        restore.discard(tools.home)
    return NOTHING
