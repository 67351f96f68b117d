"""Versions of the box's systems, and of this recovery."""

from __future__ import annotations

from pathlib import Path

from image.box import bootstate, release
from image.box.places import Places
from recovery.box import Box
from recovery.refused import Refused

MOUNTED = Path("/run/zongji/slot")


def own() -> release.Release:
    """What this recovery is; it is also what a reinstallation writes. Raises Refused."""
    try:
        return release.read(Places())
    except release.NoRelease as error:
        raise Refused(
            "system_damaged", "the version of this recovery cannot be read; use a recovery stick"
        ) from error


def good(state: bootstate.State) -> list[str]:
    """Confirmed systems, the best first: one that has no tries left did not come up of late."""
    confirmed = [name for name in state.order if state.slot(name).confirmed]
    return sorted(confirmed, key=lambda name: not state.slot(name).tries)


def left(box: Box) -> str:
    """The version that is good and would be left: of the best confirmed system that can be read, else of the
    newest that can be read, else of this recovery. Raises Refused, OSError."""
    state = bootstate.load(box.need_boot())
    found = {name: _version_in(box, name) for name in state.order}
    confirmed = [found[name] for name in good(state) if found[name]]
    if confirmed:
        return confirmed[0]
    return max(filter(None, found.values()), key=release.order, default="") or own().version


def _version_in(box: Box, name: str) -> str:
    found = release.inside(box.slot(name), MOUNTED, lambda *words: box.run(*words)[0] == 0)
    return found.version if found else ""
