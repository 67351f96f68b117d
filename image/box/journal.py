"""The last lines of a start's journal, as they are told when a version was left."""

from __future__ import annotations

from image.box import commands

LINES = 200
THIS_START, START_BEFORE = "0", "-1"


def last_lines(start: str = THIS_START) -> list[str]:
    """Notices and worse; [] when there is no such start or no journal."""
    words = ("-b", start, "-n", str(LINES), "-p", "notice", "-o", "short-iso", "--no-pager")
    done = commands.run("journalctl", *words)
    return done.out.splitlines() if done.ok else []
