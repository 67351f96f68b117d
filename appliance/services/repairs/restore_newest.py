"""Put the newest good backup in place of a database that cannot be used."""

from __future__ import annotations

from appliance.services import backup, backup_key, restore
from appliance.services.backup_errors import BackupError
from appliance.services.repairs.model import REOPEN, Tools


def run(tools: Tools) -> str:
    """Put the newest good backup in place of a database that cannot be used."""
    if tools.store is not None:
        raise BackupError(
            "not_needed", "the database is in order; choose a backup on the page Backups instead"
        )
    key = backup_key.load(tools.home)
    if key is None:
        raise BackupError("no_key", "this box has no recovery key, so it has no backup of its own either")
    problem = BackupError("not_found", "there is no good backup on the box; use one from a USB stick")
    for one in backup.catalogue(tools.home.backups, tools.now):
        if one.header is None or one.problem:
            continue
        try:
            restore.prepare(tools.home, one.path, key, tools.step)
        except BackupError as error:
            problem = error
            continue
        restore.commit(tools.home)
        return REOPEN
    raise problem
