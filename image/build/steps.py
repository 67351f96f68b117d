"""Steps of a build: each says its name and its seconds, and is skipped while its inputs stay the same."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD = REPOSITORY / "build" / "image"
CACHE = BUILD / "cache"
WORK = BUILD / "work"
OUT = BUILD / "out"
RECIPES = REPOSITORY / "image"
NEED_BYTES = 3 * 10**9
"""What the folder of one build takes: 2.7 GB were measured, without --check and the variants of tests."""


_told: set[Path] = set()
"""What has been said to be kept, or made, in this build."""


class BuildError(Exception):
    """The image cannot be made; the text says what to do."""


def run(
    *command: object,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
) -> str:
    """Run a program quietly and return what it printed; BuildError with the end of that when it fails."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=cwd,
            env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            input=stdin if stdin is not None else b"",
            check=False,
        )
    except FileNotFoundError as error:
        raise BuildError(f"the program {command[0]} is missing: run ./setup.sh image") from error
    text = done.stdout.decode("utf-8", "replace")
    if done.returncode:
        raise BuildError(f"{' '.join(map(str, command))} failed:\n{text[-4000:]}")
    return text


@contextmanager
def alone() -> Iterator[None]:
    """One build at a time in this folder, and nobody who uses what it replaces. Waits, and says for whom."""
    with _held("lock", fcntl.LOCK_EX):
        yield


@contextmanager
def in_use() -> Iterator[None]:
    """What is built stays as it is: tests in machines run on it. Any number may; waits for a build."""
    with _held("lock", fcntl.LOCK_SH):
        yield


@contextmanager
def beside_users() -> Iterator[None]:
    """One at a time makes a variant of what is built, also while tests in machines run and a build waits for
    them. It replaces a variant of another image or recipe, and nothing else."""
    with in_use(), _held("lock-variants", fcntl.LOCK_EX):
        yield


@contextmanager
def _held(name: str, how: int) -> Iterator[None]:
    path = BUILD / name
    while True:
        handle = _lock_file(path)
        try:
            _take(handle, how)
            if _is(path, handle):
                yield
                return
            # `make clean` has removed it while we waited: whoever comes next would take another.
        finally:
            os.close(handle)


def _lock_file(path: Path) -> int:
    while True:
        with suppress(FileNotFoundError):  # `make clean` may remove the folder at any moment
            path.parent.mkdir(parents=True, exist_ok=True)
            # For reading: root's file may be anybody's lock.
            return os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)


def _is(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except FileNotFoundError:
        return False


def _take(handle: int, how: int) -> None:
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
        return
    except BlockingIOError:
        print(f"image: {_waits_for(handle)}", file=sys.stderr, flush=True)
    fcntl.flock(handle, how)


def _waits_for(handle: int) -> str:
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return "waiting for another build in this folder"
    fcntl.flock(handle, fcntl.LOCK_UN)
    return "tests in machines are running on this image; waiting for their end"


@contextmanager
def step(name: str) -> Iterator[None]:
    """Tell what is being done, and in the end how long it took."""
    print(f"  {name:<44}", end="", flush=True)
    began = time.monotonic()
    try:
        yield
    except BaseException:
        print(" FAILED", flush=True)
        raise
    print(f" {time.monotonic() - began:7.1f} s", flush=True)


def digest(*parts: str | bytes | Path | Iterable[Path]) -> str:
    """One short key of texts, files and whole folders: names, modes and contents."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            total.update(b"text\0" + part.encode() + b"\0")
        elif isinstance(part, bytes):
            total.update(b"bytes\0" + part + b"\0")
        else:
            for path in [part] if isinstance(part, Path) else part:
                _add_path(total, path)
    return total.hexdigest()[:16]


def _add_path(total: hashlib._Hash, path: Path) -> None:
    if path.is_symlink():
        total.update(f"link\0{path.name}\0{path.readlink()}\0".encode())
    elif path.is_dir():
        total.update(f"folder\0{path.name}\0".encode())
        for inner in sorted(path.iterdir()):
            if inner.name != "__pycache__":
                _add_path(total, inner)
    else:
        mode = "x" if os.access(path, os.X_OK) else "-"
        total.update(f"file\0{path.name}\0{mode}\0".encode() + path.read_bytes() + b"\0")


def cached(name: str, key: str, make: Callable[[Path], None], suffix: str = "") -> Path:
    """The file or folder made by `make(path)` for this key; made once, older ones of the name are removed."""
    CACHE.mkdir(parents=True, exist_ok=True)
    path = CACHE / f"{name}-{key}{suffix}"
    if path.exists():
        if path not in _told:
            print(f"  {name:<44}  kept", flush=True)
        _told.add(path)
        return path
    with step(name):
        part = CACHE / f"part.{name}{suffix}"
        remove(part)
        make(part)
        part.rename(path)
    _told.add(path)
    for old in CACHE.glob(f"{name}-{'?' * len(key)}{suffix}"):
        if old != path:
            remove(old)
    return path


@contextmanager
def nothing_kept() -> Iterator[None]:
    """Steps are made anew, in a cache of their own, which is removed in the end."""
    global CACHE
    kept, CACHE = CACHE, BUILD / "cache-again"
    remove(CACHE)
    try:
        yield
    finally:
        remove(CACHE)
        _told.clear()
        CACHE = kept


def remove(path: Path) -> None:
    """Remove a file or a folder; nothing there is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def source_date() -> str:
    """SOURCE_DATE_EPOCH: that of the environment, or the time of the last commit, in Unix seconds."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return given
    return run("git", "-C", REPOSITORY, "log", "-1", "--format=%ct").strip()


def require_root() -> None:
    """BuildError when this user cannot make files that belong to root."""
    if os.geteuid() != 0:
        raise BuildError("the image's files belong to root: run `sudo make image`")
    if sys.version_info[:2] != (3, 11):
        raise BuildError("the image carries Debian 12's Python 3.11; build it with that one")


def require_room() -> None:
    """BuildError when the image does not fit on the disk, in place of what an earlier build has left."""
    BUILD.mkdir(parents=True, exist_ok=True)
    there = int(run("du", "-sk", BUILD).split()[0]) * 1024
    missing = NEED_BYTES - there - shutil.disk_usage(BUILD).free
    if missing > 0:
        raise BuildError(
            f"the image needs {NEED_BYTES / 1e9:.0f} GB in {BUILD}; {max(missing / 1e9, 0.1):.1f} GB are "
            "missing: free them, then start again"
        )
