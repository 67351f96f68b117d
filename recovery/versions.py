"""Versions of the box's systems, and of this recovery."""

from __future__ import annotations

from pathlib import Path

from image.box import bootstate, release
from image.box.places import Places
from recovery.box import Box

MOUNTED = Path("/run/zongji/slot")


def own() -> release.Release | None:
    """What this recovery is; it is also what a reinstallation writes."""
    try:
        return release.read(Places())
    except release.NoRelease:
        return None


def left(box: Box) -> str:
    """The version that is good and would be left: of the first confirmed system that can be read, else of the
    newest that can be read, else of this recovery; "" where none is known. Raises Refused, OSError."""
    state = bootstate.load(box.need_boot())
    found = {name: _version_in(box, name) for name in state.order}
    confirmed = [found[name] for name in state.order if state.slot(name).confirmed and found[name]]
    if confirmed:
        return confirmed[0]
    here = own()
    return max(filter(None, found.values()), key=release.order, default=here.version if here else "")


def _version_in(box: Box, name: str) -> str:
    found = release.inside(box.slot(name), MOUNTED, lambda *words: box.run(*words)[0] == 0)
    return found.version if found else ""
