"""That the recovery system did not come up has been read."""

from __future__ import annotations

from appliance.services.repairs.model import NOTHING, Tools


def run(tools: Tools) -> str:
    """That the recovery system did not come up has been read."""
    tools.system("recovery.forget", {})
    return NOTHING
