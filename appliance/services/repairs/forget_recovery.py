"""An order that the recovery system does not carry out is given up."""

from __future__ import annotations

from appliance.services.repairs.model import NOTHING, Tools


def run(tools: Tools) -> str:
    """An order that the recovery system does not carry out is given up."""
    tools.system("recovery.forget", {})
    return NOTHING
