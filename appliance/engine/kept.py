"""What the engine learns and keeps in one small JSON file each, replaced in one step."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

from appliance.engine.reasons import reason_text

log = logging.getLogger(__name__)


def load(path: Path, what: str) -> dict[str, Any]:
    """The file's content; empty where there is none, or where it cannot be read (logged)."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict):
            raise TypeError(f"a {type(data).__name__} in place of a group")
        return data
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        log.error("%s cannot be read (%s): begun anew", what, error)
        return {}


def save(path: Path, data: dict[str, Any], what: str) -> None:
    """Replace the file; a failure is logged."""
    temporary = path.with_suffix(".tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(data, file, ensure_ascii=False, indent=1)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        log.error("%s could not be kept: %s", what, reason_text(error))
