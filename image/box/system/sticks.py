"""USB sticks: what is plugged in, what is on them, and taking them out safely. Mounting is
`image.box.stick`."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from typing import Any

from image.box import commands, files
from image.box.places import Places
from image.box.problem import Problem
from image.box.system import ask
from image.box.update import verity

log = logging.getLogger(__name__)

MAX_FILES = 200


class Sticks:
    """The sticks that are mounted."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def listed(self, params: ask.Params) -> dict[str, Any]:
        """{"sticks": [{"name", "label", "device", "fs", "size", "free", "writable", "bundles",
        "problem"}]}"""
        return {"sticks": [self._stick(found) for found in self._notes()]}

    def eject(self, params: ask.Params) -> dict[str, Any]:
        """Write everything out and unmount. Raises Problem."""
        name = ask.text(params, "name")
        found = next((one for one in self._notes() if one.get("name") == name), None)
        if found is None:
            raise Problem("stick_gone", "the stick is not there any more")
        done = commands.run("systemctl", "stop", f"zongji-stick@{found['device']}.service", timeout_s=120)
        if not done.ok:
            raise Problem(
                "stick_busy",
                "the stick is in use; wait until the copy is done",
                detail=commands.last_line(done.text),
            )
        return {}

    def _notes(self) -> list[dict[str, Any]]:
        found = []
        for note in sorted((self._places.run / "sticks").glob("*.json")):
            try:
                value = files.read_json(note)
            except (OSError, ValueError) as error:
                log.warning("%s cannot be read: %s", note, error)
                continue
            if value and isinstance(value.get("name"), str) and isinstance(value.get("device"), str):
                found.append(value)
        return found

    def _stick(self, note: dict[str, Any]) -> dict[str, Any]:
        folder = self._places.sticks / note["name"]
        shown = {key: note.get(key, "") for key in ("name", "label", "device", "fs", "problem")}
        try:
            usage = shutil.disk_usage(folder)
            bundles = _bundles(folder)
        except OSError as error:
            reason = {"problem": shown["problem"] or "stick_unreadable", "detail": error.strerror or ""}
            return shown | reason | {"size": 0, "free": 0, "writable": False, "bundles": []}
        return shown | {
            "size": usage.total,
            "free": usage.free,
            "writable": os.access(folder, os.W_OK),
            "bundles": bundles,
        }


def _bundles(folder: Path) -> list[dict[str, Any]]:
    found = []
    for path in sorted(folder.iterdir())[:MAX_FILES]:
        if verity.plausible_name(path.name) and path.is_file() and not path.is_symlink():
            found.append({"name": path.name, "size": path.stat().st_size})
    return found
