"""The box that is being recovered: its disk, partitions and folders, and the stick.

Everything outside goes through here, so that tests have a box made of files.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from image.box import commands, files, squashfs
from recovery.refused import Refused

OURS = ("esp", "recovery", "rootfs-a", "rootfs-b", "config", "data")
"""Labels that a disk of this product has, all of them."""
CHUNK = 4 << 20
CONTROL_UID, GROUP = 902, 900

Tell = Callable[[str, int | None], None]
"""Told a step and how far it is, in percent; or, without percents, a last word to whoever stands there."""


@dataclass(frozen=True)
class Disk:
    """A disk of the machine. labels: GPT label -> device. parts: devices of all partitions, of any kind."""

    path: Path
    size: int
    model: str
    serial: str
    labels: Mapping[str, Path] = field(default_factory=dict)
    parts: tuple[Path, ...] = ()

    @property
    def ours(self) -> bool:
        """Was it made by this product?"""
        return all(label in self.labels for label in OURS)

    @property
    def names(self) -> set[str]:
        """What its owner may type to say that it is meant."""
        return {name for name in (self.model.strip(), self.serial.strip()) if name}


@dataclass
class Box:
    """Folders where the partitions are mounted (None: there is no disk of ours), devices, and the stick.

    system: squashfs that is reinstalled from (a partition of the disk or of the stick). stick: where the
    stick's own files are, None without one. fresh: the box has never been started, its data
    partition is still empty. plugged: tells the stick that is in from one that was in before.
    run: runs a program, returns (exit status, text).
    """

    disk: Disk | None
    boot: Path | None
    config: Path | None
    data: Path | None
    system: Path | None
    stick: Path | None
    disks: tuple[Disk, ...] = ()
    from_stick: bool = False
    cause: str = ""
    run: Callable[..., tuple[int, str]] = field(default=lambda *command, **more: run(*command, **more))
    fresh: bool = False
    plugged: int = 0

    @property
    def home(self) -> Path:
        """The product's data directory. Raises Refused."""
        return self.need_data() / "zongji"

    def need_data(self) -> Path:
        """The data partition. Raises Refused."""
        if self.fresh:
            raise Refused(
                "never_started",
                "this box has never been started: start it once from its own disk, then try again",
            )
        if self.data is None:
            raise Refused("no_data", "the data partition of this box cannot be read; run the diagnostics")
        return self.data

    def need_config(self) -> Path:
        """The config partition. Raises Refused."""
        if self.config is None:
            raise Refused("no_box", "there is no disk of this product here, or its settings cannot be read")
        return self.config

    def need_boot(self) -> Path:
        """Folder of the boot state. Raises Refused."""
        if self.boot is None:
            raise Refused("no_boot_state", "the boot partition of this box cannot be read")
        return self.boot

    def need_stick(self) -> Path:
        """The stick's own files. Raises Refused."""
        if self.stick is None or not self.stick.is_dir():
            raise Refused("no_stick", "no USB stick is plugged in; put one in and try again")
        return self.stick

    def slot(self, name: str) -> Path:
        """Device of the slot A or B. Raises Refused."""
        label = f"rootfs-{name.lower()}"
        if self.disk is None or label not in self.disk.labels:
            raise Refused("no_box", "there is no disk of this product in this machine")
        return self.disk.labels[label]

    @property
    def serial(self) -> str:
        """Serial number of the box, "" where it has none."""
        for folder in (self.config, self.data and self.data / "system" / "config-copy"):
            try:
                found = files.read_json(folder / "identity.json") if folder else None
            except (OSError, ValueError):
                continue  # damaged: its copy may be whole
            if found and found.get("serial"):
                return str(found["serial"])
        return ""

    @property
    def nameless(self) -> str:
        """Why there is no serial number; the key of its words."""
        return "fresh" if self.fresh else "no_serial" if self.disk is not None else "no_box"


def run(
    *command: str,
    timeout_s: float = 3600.0,
    uid: int | None = None,
    env: Mapping[str, str] | None = None,
    tell: Tell | None = None,
) -> tuple[int, str]:
    """Run a program; (exit status, what it said). Lines `progress STEP PERCENT` are told."""
    words = [*command]
    if uid is not None and os.getuid() == 0:
        words = ["setpriv", f"--reuid={uid}", f"--regid={GROUP}", "--clear-groups", *words]
    lines: list[str] = []
    try:
        with subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, **(env or {})},
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                parts = line.split()
                if tell is not None and len(parts) == 3 and parts[0] == "progress" and parts[2].isdecimal():
                    tell(parts[1], int(parts[2]))
                    continue
                lines = [*lines[-500:], line]
            return process.wait(timeout_s), "".join(lines)
    except FileNotFoundError:
        return 127, f"the program {words[0]} is missing"


def product(box: Box, *words: str, tell: Tell | None = None) -> str:
    """Run the product's own command on the box's data, as the user who owns it; what it said.
    Raises Refused."""
    zongji = Path(sys.executable).with_name("zongji")
    env = {"ZONGJI_CONFIG": str(box.need_config())}
    status, text = box.run(str(zongji), *words, "--home", str(box.home), uid=CONTROL_UID, env=env, tell=tell)
    if status:
        last = commands.last_line(text) or "it said nothing"
        raise Refused("product_refused", last.partition(": ")[2] or last)
    return text


def squashfs_bytes(device: Path) -> int:
    """Length of the squashfs at the beginning of a device. Raises Refused, OSError."""
    with device.open("rb") as file:
        found = squashfs.length(file)
    if found is None:
        raise Refused("no_system", f"there is no system to install on {device.name}; use a recovery stick")
    return found


def device_bytes(device: Path) -> int:
    """Size of a device or file. Raises OSError."""
    with device.open("rb") as file:
        return file.seek(0, os.SEEK_END)


def write_result(box: Box, result: Mapping[str, Any]) -> None:
    """recovery-result.json and .txt on the stick, where there is one that can be written; it may be pulled
    then."""
    if box.stick is None:
        return
    text = "".join(f"{key}: {value}\n" for key, value in result.items())
    try:
        files.write(
            box.stick / "recovery-result.json",
            (json.dumps(result, ensure_ascii=False, indent=1) + "\n").encode(),
        )
        files.write(box.stick / "recovery-result.txt", text.encode())
        os.sync()  # what was copied there, too
    except OSError as error:
        print(f"Zongji: the result cannot be written to the stick: {error}", flush=True)


def remove_tree(path: Path) -> None:
    """No such file or folder any more, whoever owns it. Raises OSError."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
