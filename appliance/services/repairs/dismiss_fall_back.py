"""The notice that an update was left has been read."""

from __future__ import annotations

from appliance.services.repairs.model import NOTHING, Tools


def run(tools: Tools) -> str:
    """The notice that an update was left has been read."""
    tools.system("update.acknowledge", {})
    return NOTHING
