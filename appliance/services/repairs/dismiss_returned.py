"""The list of what an older version did has been read."""

from __future__ import annotations

from appliance.services.repairs.model import NOTHING, Tools


def run(tools: Tools) -> str:
    """The list of what an older version did has been read."""
    if tools.store is not None:
        tools.store.dismiss_fall_back()
    return NOTHING
