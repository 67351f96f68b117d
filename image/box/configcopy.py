"""The copy of /config that is kept on /data: who the box is, its network, its keys.

It is renewed at every start and after every change. The new copy is complete before the old one goes.
A box that cannot use its config partition changes the copy alone. A mark beside it says so until the
partition has what the copy has: one that comes back is the older of the two, whatever its files are dated.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from image.box import files

IDENTITY = "identity.json"
"""Every box has it from its first start on, and keeps it through a factory reset."""
NOT_COPIED = ("lost+found", "permission.json", "order.json", ".*.new")
"""What an old copy must not bring back: an order for recovery, opened remote support."""


@dataclass(frozen=True)
class ConfigCopy:
    """config: the configuration; copy: its copy."""

    config: Path
    copy: Path

    @property
    def usable(self) -> bool:
        """Is there a copy of a box that was once set up?"""
        return (self.copy / IDENTITY).exists()

    def current(self) -> bool:
        """Is the copy what the configuration is now? Raises OSError."""
        return self.copy.is_dir() and _contents(self.config) == _contents(self.copy)

    @property
    def _old(self) -> Path:
        return self.copy.with_name("config-copy.old")

    @property
    def _mark(self) -> Path:
        return self.copy.with_name("config-copy.ahead")

    @property
    def ahead(self) -> bool:
        """Has the copy gone on without the configuration?"""
        return self._mark.exists()

    def go_ahead(self) -> None:
        """It does so from now on. Raises OSError."""
        files.write(self._mark, b"")

    def catch_up(self) -> None:
        """The configuration becomes what its copy is, and has nothing that the copy leaves out. Where the
        power goes meanwhile the next start does it again. Raises OSError."""
        _remove_others(self.config, self.copy)
        self.put_back()
        files.remove(self._mark)

    def settle(self) -> None:
        """Where the power went between the two renames of `renew` the old copy serves. Raises OSError."""
        if self._old.exists() and not self.copy.exists():
            self._old.rename(self.copy)

    def renew(self) -> None:
        """Copy all of it. Raises OSError; the old copy is there then."""
        self.settle()
        if self.usable and not (self.config / IDENTITY).exists():
            raise OSError("the configuration is not whole: its copy stays as it is")
        fresh, old = self.copy.with_name("config-copy.new"), self._old
        for left in (fresh, old):
            if left.exists():
                shutil.rmtree(left)
        shutil.copytree(self.config, fresh, symlinks=True, ignore=shutil.ignore_patterns(*NOT_COPIED))
        _copy_owners(self.config, fresh)
        # The kernel leaves a folder's damaged blocks out without an error, and makes the partition read-only.
        if files.takes_nothing(self.config) or (self.usable and not (fresh / IDENTITY).exists()):
            raise OSError("the configuration is damaged: its copy stays as it is")
        os.sync()
        if self.copy.exists():
            self.copy.rename(old)
        fresh.rename(self.copy)
        if old.exists():
            shutil.rmtree(old)
        os.sync()

    def put_back(self) -> None:
        """The configuration from its copy. Who the box is comes last: a config without it is unfinished, and
        a power cut in between must not let it take the place of the copy. Raises OSError."""
        shutil.copytree(
            self.copy,
            self.config,
            symlinks=True,
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns(IDENTITY),
        )
        _copy_owners(self.copy, self.config)
        os.sync()
        files.write(self.config / IDENTITY, (self.copy / IDENTITY).read_bytes())

    def put_back_missing(self) -> bool:
        """Files that a repair of the file system has lost or emptied; was there one? Raises OSError."""
        copied = _contents(self.copy)
        lost = [name for name, content in copied.items() if content and not _has_content(self.config / name)]
        for name in lost:
            source, target = self.copy / name, self.config / name
            info = source.stat()
            files.write(target, source.read_bytes(), info.st_mode & 0o777)
            os.chown(target, info.st_uid, info.st_gid)
        return bool(lost)


def _remove_others(folder: Path, like: Path) -> None:
    """Whatever is below `folder` and not below `like` goes, permissions in a folder that both have too."""
    for entry in folder.iterdir():
        twin = like / entry.name
        is_folder = entry.is_dir() and not entry.is_symlink()
        if is_folder and twin.is_dir():
            _remove_others(entry, twin)
        elif is_folder and entry.name != "lost+found":
            shutil.rmtree(entry)
        elif not is_folder and not twin.is_file():
            entry.unlink()


def _copy_owners(source: Path, target: Path) -> None:
    """Give what is below target the owners that it has below source."""
    for path in [target, *target.rglob("*")]:
        original = source / path.relative_to(target)
        if os.path.lexists(original):
            info = original.lstat()
            os.chown(path, info.st_uid, info.st_gid, follow_symlinks=False)


def _contents(folder: Path) -> dict[str, bytes]:
    leave_out = shutil.ignore_patterns(*NOT_COPIED)
    found = {}
    for place, folders, names in os.walk(folder):
        folders[:] = set(folders) - leave_out(place, folders)
        for name in set(names) - leave_out(place, names):
            path = Path(place, name)
            found[str(path.relative_to(folder))] = path.read_bytes()
    return found


def _has_content(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False
