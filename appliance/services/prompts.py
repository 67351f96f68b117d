"""Which prompts there are, the box's own and the customer's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

LANGUAGES = ("zh", "en")
INSIDE = ("claim_", "say_")
"""Beginnings of names that the box uses itself; no menu plays them."""


def catalogue(own: Path, shipped: Path) -> list[dict[str, Any]]:
    """[{"name", "languages": [...], "own": [...]}] by name. `languages`: where it can be heard;
    `own`: where the customer's file takes the place of the shipped one."""
    found: dict[str, dict[str, Any]] = {}
    for folder, is_own in ((own, True), (shipped, False)):
        for language in LANGUAGES:
            for path in sorted((folder / language).glob("*.wav")):
                if path.name.startswith(INSIDE):
                    continue
                entry = found.setdefault(path.stem, {"name": path.stem, "languages": [], "own": []})
                if language not in entry["languages"]:
                    entry["languages"].append(language)
                if is_own:
                    entry["own"].append(language)
    return [found[name] for name in sorted(found)]


def names(own: Path, shipped: Path) -> set[str]:
    """All names that can be played; a prompt of the other language is heard where its own is missing."""
    return {entry["name"] for entry in catalogue(own, shipped)}
