"""The disk guard: how full the data disk is, and when people must know."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from appliance.store.errors import READ_ONLY


@dataclass(frozen=True)
class DiskState:
    """level: "ok", "warn", "alarm", "read_only", or "unknown" where the disk cannot be measured (`problem`
    says why)."""

    level: str
    used_percent: float = 0.0
    free_bytes: int = 0
    total_bytes: int = 0
    problem: str = ""

    def as_dict(self) -> dict[str, object]:
        """Plain data for the status page."""
        return {
            "level": self.level,
            "used_percent": round(self.used_percent, 1),
            "free_bytes": self.free_bytes,
            "total_bytes": self.total_bytes,
            "problem": self.problem,
        }


def judge(used_bytes: int, free_bytes: int, warn_percent: float, alarm_percent: float) -> DiskState:
    """State of a disk. used + free is what we may fill: the part kept for root counts as neither."""
    usable = used_bytes + free_bytes
    percent = 100.0 * used_bytes / usable if usable else 100.0
    level = "alarm" if percent >= alarm_percent else "warn" if percent >= warn_percent else "ok"
    problem = ""
    if level != "ok":
        problem = (
            f"the disk is {percent:.0f} % full, {free_bytes / 1e9:.1f} GB are free: delete recordings that "
            "are no longer needed, or keep them for fewer days; recording stops before calls do"
        )
    return DiskState(level, percent, free_bytes, usable, problem)


def measure(folder: Path, warn_percent: float, alarm_percent: float) -> DiskState:
    """State of the disk that holds `folder`."""
    try:
        usage = shutil.disk_usage(folder)
        read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
    except OSError as error:
        return DiskState("unknown", problem=f"the disk of {folder} cannot be measured: {error.strerror}")
    state = judge(usage.used, usage.free, warn_percent, alarm_percent)
    if read_only:
        return replace(state, level="read_only", problem=READ_ONLY)
    return state
