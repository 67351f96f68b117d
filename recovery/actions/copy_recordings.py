"""Copy the recordings to the stick; what is there already and whole is passed over."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from recovery.box import CHUNK, Box, Tell
from recovery.plan import Plan
from recovery.refused import Refused
from recovery.runner import Action, Options

FOLDER = "zongji-recordings"
SPARE_BYTES = 1 << 20


def _left(box: Box) -> list[tuple[Path, Path]]:
    source, target = box.home / "recordings", box.need_stick() / FOLDER
    pairs = [
        (path, target / path.relative_to(source)) for path in sorted(source.rglob("*")) if path.is_file()
    ]
    return [(path, to) for path, to in pairs if not to.exists() or to.stat().st_size != path.stat().st_size]


def plan(box: Box, options: Options) -> Plan:
    """Is there room?"""
    left = _left(box)
    need = sum(path.stat().st_size for path, _ in left)
    free = shutil.disk_usage(box.need_stick()).free
    if need + SPARE_BYTES > free:
        raise Refused("stick_small", f"the stick has {free >> 20} MB free, {(need >> 20) + 1} MB are needed")
    return Plan("copy_recordings", {"count": len(left), "mb": need >> 20}, of={"stick": box.plugged})


def copy(box: Box, options: Options, tell: Tell) -> None:
    """Each file appears whole or not at all."""
    left = _left(box)
    for number, (path, target) in enumerate(left):
        target.parent.mkdir(parents=True, exist_ok=True)
        half = target.with_name(target.name + ".part")
        try:
            with path.open("rb") as source, half.open("wb") as file:
                shutil.copyfileobj(source, file, CHUNK)
                file.flush()
                os.fsync(file.fileno())
            half.replace(target)
        except OSError as error:
            raise Refused("stick_gone", f"the stick failed while being written ({error.strerror})") from error
        tell("copying", 100 * (number + 1) // len(left))


ACTION = Action(plan, (copy,), needs_box=False)
