"""Room on the data disk for what is not calls: temporary files, uploads, backups, bundles.

All of it is refused before the disk reaches the alarm limit, so that it can never be what keeps a call
from being recorded. Recording itself stops when only the engine's reserve is left (`RESERVE_BYTES` of its
recorder), and calls go on after that.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from appliance.services.backup_errors import BackupError

ALARM_PERCENT = 90


def room_bytes(folder: Path, alarm_percent: float = ALARM_PERCENT) -> int:
    """How many bytes may still be written before the alarm limit. Raises OSError."""
    usage = shutil.disk_usage(folder)
    return max(0, int((usage.used + usage.free) * alarm_percent / 100) - usage.used)


def require(folder: Path, need_bytes: int, what: str, alarm_percent: float = ALARM_PERCENT) -> None:
    """Raise BackupError("no_space") unless `need_bytes` fit."""
    try:
        room = room_bytes(folder, alarm_percent)
    except OSError as error:
        raise BackupError("disk", f"the disk of {folder} cannot be measured: {error.strerror}") from error
    if need_bytes > room:
        raise BackupError(
            "no_space",
            f"there is not enough room for {what}: it needs {need_bytes / 1e6:.0f} MB, {room / 1e6:.0f} MB "
            "may be used; delete old backups or recordings, or use a USB stick",
        )
