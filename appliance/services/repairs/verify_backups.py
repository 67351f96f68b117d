"""Prove every backup on the box; the outcome is noted beside each."""

from __future__ import annotations

import logging

from appliance.services import backup, backup_key
from appliance.services.backup_errors import BackupError
from appliance.services.repairs.model import NOTHING, Tools

log = logging.getLogger(__name__)


def run(tools: Tools) -> str:
    """Prove every backup on the box; the outcome is noted beside each."""
    key = backup_key.load_or_make(tools.home)
    for one in backup.catalogue(tools.home.backups, tools.now):
        try:
            backup.verify_and_note(one.path, key, tools.now, tools.step)
        except BackupError as error:
            log.warning("%s", error)  # noted; the page shows it
    return NOTHING
