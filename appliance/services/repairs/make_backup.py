"""Make a backup now."""

from __future__ import annotations

from appliance.services import backup, backup_key
from appliance.services.repairs.model import NOTHING, Tools


def run(tools: Tools) -> str:
    """Make a backup now."""
    key = backup_key.load_or_make(tools.home)
    backup.make(tools.home, key, now=tools.now, version=tools.version, box=tools.box, step=tools.step)
    return NOTHING
