"""Compile the settings anew and hand them to the engine."""

from __future__ import annotations

from appliance.services.repairs.model import REPUBLISH, Tools


def run(tools: Tools) -> str:
    """Compile the settings anew and hand them to the engine."""
    return REPUBLISH
