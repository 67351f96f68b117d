"""Repairs: one small file each, named as the findings of the health checks name them.

A repair has `run(tools) -> str` (see `model`) and raises BackupError, StoreError, OSError or WireError with a
sentence for people.
"""

from __future__ import annotations

import importlib
import pkgutil

from appliance.services.backup_errors import BackupError
from appliance.services.repairs.model import Tools

NAMES = tuple(sorted(one.name for one in pkgutil.iter_modules(__path__) if one.name != "model"))
"""Every repair there is."""


def run(name: str, tools: Tools) -> str:
    """Do a repair; returns what control has to do next."""
    if name not in NAMES:
        raise BackupError("unknown_repair", f"there is no repair {name!r}")
    done: str = importlib.import_module(f"{__name__}.{name}").run(tools)
    return done
