"""Where an update comes from: uploaded by a page, on a USB stick, at an address. All end in the updates
folder."""

from __future__ import annotations

import errno
import os
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from image.box.places import Places
from image.box.problem import Problem
from image.box.update import rules, verity

CHUNK = 1 << 20
TIMEOUT_S = 30.0
FETCHED = "fetched.raucb"
"""The one name under which a stick's or an address's bundle is kept."""

Progress = Callable[[int, int], None]
"""Bytes so far, bytes in all (0: unknown)."""


def check(source: Any) -> dict[str, str]:
    """The usable form of {"kind": "upload"|"usb"|"url", …}. Raises Problem."""
    if not isinstance(source, dict) or source.get("kind") not in ("upload", "usb", "url"):
        raise Problem("bad_source", "an update comes from an upload, a stick or an address", "source")
    kind = source["kind"]
    if kind == "url":
        return {"kind": kind, "url": _url(source.get("url"))}
    name = source.get("name")
    if not isinstance(name, str) or not verity.plausible_name(name):
        raise Problem("bad_name", "an update is a file whose name ends in .raucb", "source")
    if kind == "upload":
        return {"kind": kind, "name": name}
    stick = source.get("stick")
    if not isinstance(stick, str) or not stick or "/" in stick or stick.startswith("."):
        raise Problem("bad_stick", "there is no such stick", "source")
    return {"kind": kind, "name": name, "stick": stick}


def _url(text: Any) -> str:
    parts = urllib.parse.urlsplit(text) if isinstance(text, str) and len(text) < 2000 else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise Problem(
            "bad_url", "write the whole address, such as https://example.com/zongji.raucb", "source"
        )
    return parts.geturl()


def local(places: Places, source: dict[str, str]) -> Path:
    """The file of an upload or on a stick. Raises Problem when it is not there."""
    folder = places.updates if source["kind"] == "upload" else places.sticks / source["stick"]
    path = folder / source["name"]
    # The page's user may write in the updates folder: a link would lead root elsewhere.
    if path.is_symlink() or not path.is_file():
        if source["kind"] == "usb" and not folder.is_dir():
            raise Problem("stick_gone", "the stick is not there any more; plug it in again")
        raise Problem("no_file", "the update is not there any more; bring it again")
    return path


def brought(places: Places, source: dict[str, str]) -> Path:
    """Where the bundle of this source lies once it has been brought."""
    return places.updates / (source["name"] if source["kind"] == "upload" else FETCHED)


def bring(places: Places, source: dict[str, str], progress: Progress) -> Path:
    """Bring the bundle into the updates folder; where it lies then. Raises Problem."""
    if source["kind"] == "upload":
        return local(places, source)
    goal = brought(places, source)
    half = goal.with_suffix(".part")
    places.updates.mkdir(parents=True, exist_ok=True)
    try:
        if source["kind"] == "usb":
            _from_stick(local(places, source), half, progress)
        else:
            _from_url(source["url"], half, progress)
        half.replace(goal)
    finally:
        half.unlink(missing_ok=True)
    return goal


def _from_stick(path: Path, half: Path, progress: Progress) -> None:
    try:
        size = path.stat().st_size
        _refuse(size, half.parent)
        with path.open("rb") as file:
            copied = _copy(file, half, size, progress)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise Problem(
                "no_space", "the disk of the box is full; delete recordings or old updates first"
            ) from error
        raise Problem(
            "stick_pulled",
            f"the stick could not be read to the end ({error.strerror}): leave it plugged in and try again",
            detail=error.strerror or "",
        ) from error
    if copied != size:
        raise Problem(
            "stick_pulled",
            "the stick could not be read to the end: leave it plugged in and try again",
            detail="",
        )


def _from_url(url: str, half: Path, progress: Progress) -> None:
    request = urllib.request.Request(url, headers={"User-Agent": "zongji"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            size = int(answer.headers.get("Content-Length") or 0)
            # A server that does not tell the size may send the most that is taken.
            _refuse(size or rules.MAX_BUNDLE_BYTES, half.parent)
            copied = _copy(answer, half, size, progress)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise Problem(
            "download_failed", f"the update could not be fetched: {reason}", detail=str(reason)
        ) from error
    if size and copied != size:
        raise Problem(
            "download_failed", f"the connection ended after {copied} of {size} bytes; try again", detail=""
        )


def _refuse(size: int, folder: Path) -> None:
    if size > rules.MAX_BUNDLE_BYTES:
        raise rules.too_large(size)
    refused = rules.room(size, shutil.disk_usage(folder).free)
    if refused:
        raise refused


def _copy(file: BinaryIO, half: Path, size: int, progress: Progress) -> int:
    copied = 0
    half.unlink(missing_ok=True)
    with half.open("xb") as target:
        while chunk := file.read(CHUNK):
            copied += len(chunk)
            if copied > rules.MAX_BUNDLE_BYTES:
                raise rules.too_large(copied)
            target.write(chunk)
            progress(copied, size)
        target.flush()
        os.fsync(target.fileno())
    return copied


def uploads(places: Places) -> list[dict[str, Any]]:
    """Bundles that lie in the updates folder: [{"name", "size", "at"}]."""
    try:
        found = [
            path for path in places.updates.iterdir() if verity.plausible_name(path.name) and path.is_file()
        ]
    except OSError:
        return []
    rows = [(path, path.stat()) for path in found if not path.is_symlink()]
    return [{"name": path.name, "size": one.st_size, "at": one.st_mtime} for path, one in sorted(rows)]
