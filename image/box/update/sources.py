"""Where an update comes from: uploaded by a page, on a USB stick, at an address. All end in the updates
folder."""

from __future__ import annotations

import errno
import http.client
import logging
import os
import shutil
import urllib.parse
import urllib.request
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from image.box.places import Places
from image.box.problem import Problem
from image.box.update import rules, verity

log = logging.getLogger(__name__)

CHUNK = 1 << 20
TIMEOUT_S = 30.0
FETCHED = ".fetched.raucb"
"""The one name under which a stick's or an address's bundle is kept; no upload can have it."""

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
    try:
        parts = urllib.parse.urlsplit(text) if isinstance(text, str) and len(text) < 2000 else None
    except ValueError:
        parts = None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise Problem(
            "bad_url", "write the whole address, such as https://example.com/zongji.raucb", "source"
        )
    if parts.username is not None or any(one.isspace() or not one.isprintable() for one in text):
        raise _unfit()
    return parts.geturl()


def _unfit() -> Problem:
    # Without the address: it may hold a password.
    text = "an address with a user name, a password, spaces or control characters is not taken"
    return Problem("bad_url", text, "source", why="unfit")


def file_name(source: dict[str, str]) -> str:
    """What the bundle's file is called. Of an address the end alone: the rest may hold a password."""
    return source.get("name") or urllib.parse.urlsplit(source.get("url", "")).path.rpartition("/")[2]


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
    with _own_disk():
        places.updates.mkdir(parents=True, exist_ok=True)
        # Whatever was fetched before has no use any more, and takes the room of this one.
        half.unlink(missing_ok=True)
        goal.unlink(missing_ok=True)
    if source["kind"] == "usb":
        chunks = _from_stick(local(places, source), places.updates, progress)
    else:
        chunks = _from_url(source["url"], places.updates, progress)
    try:
        # What goes wrong with the source is a Problem already: any other error is this disk's.
        with _own_disk(), closing(chunks), half.open("xb") as target:
            for chunk in chunks:
                target.write(chunk)
            target.flush()
            os.fsync(target.fileno())
            half.replace(goal)
    finally:
        with suppress(OSError):
            half.unlink(missing_ok=True)
    return goal


def drop(places: Places, source: dict[str, str] | None = None) -> None:
    """Delete what was fetched, unless the source is an upload: that stays until somebody deletes it."""
    if source is not None and source["kind"] == "upload":
        return
    goal = places.updates / FETCHED
    for path in (goal, goal.with_suffix(".part")):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("what was fetched cannot be deleted: %s", error)


def pulled(error: OSError | None = None) -> Problem:
    """A stick that could not be read to the end."""
    why = (error.strerror or "") if error else ""
    return Problem(
        "stick_pulled",
        f"the stick could not be read to the end{f' ({why})' if why else ''}: leave it plugged in and try "
        "again",
        detail=why,
    )


@contextmanager
def _own_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Problem(
                "no_space", "the disk of the box is full; delete recordings or old updates first"
            ) from error
        reason = error.strerror or str(error)
        raise Problem(
            "disk_failed", f"the box's own disk could not take the update: {reason}", detail=reason
        ) from error


def _from_stick(path: Path, folder: Path, progress: Progress) -> Generator[bytes]:
    """What the stick's file holds. Raises Problem."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            _refuse(size, folder)
            copied = 0
            for chunk in _counted(file, size, progress):
                copied += len(chunk)
                yield chunk
    except OSError as error:
        raise pulled(error) from error
    if copied != size:
        raise pulled()


def _from_url(url: str, folder: Path, progress: Progress) -> Generator[bytes]:
    """What is sent from the address. Raises Problem."""
    request = urllib.request.Request(url, headers={"User-Agent": "zongji"})
    copied = 0
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            # None: sent in pieces, without a size beforehand.
            size = getattr(answer, "length", None) or 0
            # A server that does not tell the size may send the most that is taken.
            _refuse(size or rules.MAX_BUNDLE_BYTES, folder)
            for chunk in _counted(answer, size, progress):
                copied += len(chunk)
                yield chunk
    except (ConnectionError, http.client.IncompleteRead) as error:
        raise _cut(copied) from error
    except http.client.InvalidURL as error:
        raise _unfit() from error
    except http.client.HTTPException as error:
        what = f"{type(error).__name__} {error}".strip()
        raise Problem(
            "download_failed",
            f"the update could not be fetched: what answers there is no web server as it should be ({what})",
            why="answer",
            detail=what,
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise Problem(
            "download_failed", f"the update could not be fetched: {reason}", detail=str(reason)
        ) from error
    if size and copied != size:
        raise _cut(copied, size)


def _cut(copied: int, size: int = 0) -> Problem:
    far = f"{copied} of {size} bytes" if size else f"{copied} bytes"
    return Problem("download_failed", f"the connection ended after {far}; try again", why="cut", detail=far)


def _refuse(size: int, folder: Path) -> None:
    if size > rules.MAX_BUNDLE_BYTES:
        raise rules.too_large(size)
    with _own_disk():
        free = shutil.disk_usage(folder).free
    refused = rules.room(size, free)
    if refused:
        raise refused


def _counted(file: BinaryIO, size: int, progress: Progress) -> Iterator[bytes]:
    copied = 0
    while chunk := file.read(CHUNK):
        copied += len(chunk)
        if copied > rules.MAX_BUNDLE_BYTES:
            raise rules.too_large(copied)
        progress(copied, size)
        yield chunk


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
