"""Files that survive a power cut at any instant: written beside, synced, moved into place."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write(path: Path, data: bytes, mode: int = 0o644) -> None:
    """All of `data` is at `path` when this returns, on the disk too; before, the old content was. Raises
    OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.new")
    half.unlink(missing_ok=True)
    handle = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(handle, mode)
        file.write(data)
        file.flush()
        os.fsync(handle)
        half.replace(path)
        os.fsync(handle)  # on FAT the new name has the file's length only now
    sync_folder(path.parent)


def write_json(path: Path, value: Mapping[str, Any], mode: int = 0o644) -> None:
    """The same for a JSON object."""
    write(path, (json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode(), mode)


def takes_nothing(folder: Path) -> bool:
    """Is the file system of `folder` read-only? Raises OSError."""
    return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in this file; None when there is none. Raises ValueError on damage, OSError."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError(f"{path} holds no object")
    return value


def remove(path: Path) -> None:
    """No file at `path`, on the disk too."""
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def append_json(path: Path, value: Mapping[str, Any], keep: int = 500) -> None:
    """Add an object to a history of lines; the oldest go when there are more than `keep`."""
    entries = [*read_lines(path), dict(value)][-keep:]
    write(path, b"".join(json.dumps(one, ensure_ascii=False).encode() + b"\n" for one in entries))


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a history, oldest first; a line that a power cut has spoilt is left out."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    found = []
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found


def sync_folder(folder: Path) -> None:
    """Names in `folder` are on the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
