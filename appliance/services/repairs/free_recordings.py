"""Remove the oldest recordings that are not starred until the disk is below its warning."""

from __future__ import annotations

from appliance.services import disk, retention
from appliance.services.backup_errors import BackupError
from appliance.services.repairs.model import NOTHING, Tools


def run(tools: Tools) -> str:
    """Remove the oldest recordings that are not starred until the disk is below its warning."""
    if tools.store is None:
        raise BackupError(
            "store_away", "the database cannot be used, so nobody knows which recordings are starred"
        )
    settings = tools.store.settings
    state = disk.measure(
        tools.home.root, settings.get("disk.warn_percent"), settings.get("disk.alarm_percent")
    )
    if state.level == "unknown":
        raise BackupError("disk", state.problem)
    over = state.total_bytes * (state.used_percent - settings.get("disk.warn_percent") + MARGIN_PERCENT) / 100
    if over <= 0:
        return NOTHING
    kept = retention.sweep(tools.store, tools.home, tools.now, 0, 0).kept_bytes
    done = retention.sweep(tools.store, tools.home, tools.now, 0, max(1, int(kept - over)))
    if not done.deleted:
        raise BackupError(
            "nothing_to_free",
            "there is no recording left that may be deleted: all are starred; delete backups",
        )
    return NOTHING


MARGIN_PERCENT = 2.0
"""So far below the warning, that it does not come back with the next call."""
