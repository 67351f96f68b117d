"""Close remote support."""

from __future__ import annotations

from appliance.services.repairs.model import NOTHING, Tools


def run(tools: Tools) -> str:
    """Close remote support."""
    tools.system("ssh.disable", {})
    return NOTHING
