"""What the running system is: product, hardware, version, and the slot it was started from."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from image.box.places import Places


@dataclass(frozen=True)
class Release:
    """The release file of one system. `schema`: number of database migrations it knows."""

    product: str
    hardware: str
    version: str
    schema: int
    build: str

    @property
    def compatible(self) -> str:
        """What bundles for this box carry."""
        return f"{self.product}-{self.hardware}"


class NoRelease(Exception):
    """The release file is missing or damaged: this is not a flashed box."""


def parse(text: str) -> Release:
    """Read `KEY=value` lines. Raises NoRelease."""
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    try:
        return Release(
            values["PRODUCT"], values["HARDWARE"], values["VERSION"], int(values["SCHEMA"]), values["BUILD"]
        )
    except (KeyError, ValueError) as error:
        raise NoRelease(f"the release file is damaged: {error}") from error


def read(places: Places) -> Release:
    """What runs here. Raises NoRelease."""
    try:
        return parse(places.release.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise NoRelease(f"{places.release} cannot be read: {error}") from error


def inside(device: Path, place: Path, run: Callable[..., bool]) -> Release | None:
    """What the system on a partition is, which is mounted at `place` meanwhile; None where there is none that
    can be read. run: runs a program; did it do its work? Raises OSError."""
    place.mkdir(parents=True, exist_ok=True)
    if not run("mount", "-t", "squashfs", "-o", "ro,nosuid,nodev,noexec", str(device), str(place)):
        return None  # no system, or half of one
    try:
        return parse((place / Places().release.relative_to("/")).read_text(encoding="utf-8"))
    except (OSError, ValueError, NoRelease):
        return None
    finally:
        run("umount", str(place))


def order(version: str) -> tuple[tuple[int, ...], bool, str]:
    """Key for comparing versions: 0.2.0 is newer than 0.2.0-rc1, which is newer than 0.1.9."""
    numbers, _, extra = re.sub(r"[+~]", "-", version.strip()).partition("-")
    return tuple(int(part) if part.isdecimal() else 0 for part in numbers.split(".")), not extra, extra


def kernel_words(places: Places) -> dict[str, str]:
    """`name=value` words of the kernel's command line; {} where it cannot be read."""
    try:
        text = places.kernel_command.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    return dict(word.split("=", 1) for word in text.split() if "=" in word)


def slot(places: Places) -> str:
    """A or B; "" when the system was not started from a slot (recovery, a test)."""
    found = kernel_words(places).get("zongji.slot", "")
    return found if found in ("A", "B") else ""
