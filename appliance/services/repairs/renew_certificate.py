"""Make a new certificate for the pages."""

from __future__ import annotations

from appliance.services.repairs.model import NOTHING, Tools


def run(tools: Tools) -> str:
    """Make a new certificate for the pages."""
    tools.system("certificate.renew", {})
    return NOTHING
