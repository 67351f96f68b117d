"""A box of its own for each test: a temporary root, and programs of the system that only write down what
was asked."""

import json
import os
import stat

import pytest

from image.box.places import Places

RELEASE = "PRODUCT=zongji\nHARDWARE=amd64\nVERSION=0.2.0\nSCHEMA=7\nBUILD=abc\n"


class Programs:
    """Stand-ins on PATH. Each notes its arguments; `says` gives it words and an exit status."""

    NAMES = (
        "networkctl",
        "nft",
        "systemctl",
        "ip",
        "chronyc",
        "rauc",
        "journalctl",
        "hwclock",
        "lsblk",
        "mount",
        "umount",
        "busctl",
        "udevadm",
    )

    def __init__(self, folder):
        self.folder = folder
        self.log = folder / "log"
        self.log.touch()
        for name in self.NAMES:
            self.says(name)

    def says(self, name, text="", status=0):
        """From now on `name` writes `text` and ends with `status`."""
        (self.folder / f"{name}.text").write_text(text)
        program = self.folder / name
        program.write_text(
            f'#!/bin/sh\necho "{name} $*" >> "{self.log}"\ncat "{self.folder}/{name}.text"\nexit {status}\n'
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    @property
    def calls(self):
        return self.log.read_text().splitlines()

    def forget(self):
        self.log.write_text("")


@pytest.fixture
def programs(tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return Programs(folder)


def add_socket(places, name):
    """A wired network socket, as the kernel shows it."""
    folder = places.interfaces / name
    (folder / "device").mkdir(parents=True)
    (folder / "type").write_text("1\n")


@pytest.fixture
def places(tmp_path):
    made = Places(tmp_path / "root")
    for folder in (made.config, made.updates, made.system, made.run, made.home / "run", made.home / "spool"):
        folder.mkdir(parents=True)
    made.release.parent.mkdir(parents=True)
    made.release.write_text(RELEASE)
    made.kernel_command.parent.mkdir()
    made.kernel_command.write_text("quiet zongji.slot=A rauc.slot=A zongji.boot_state=ok panic=10\n")
    zone = made.root / "usr/share/zoneinfo"
    for name in ("Asia/Shanghai", "Europe/Berlin"):
        (zone / name).parent.mkdir(parents=True, exist_ok=True)
        (zone / name).write_bytes(b"TZif")
    (zone / "tzdata.zi").write_text(
        "# version 2026\nZ Asia/Shanghai 8 - CST\nZ Europe/Berlin 1 - CET\n"
        "L Europe/Berlin Arctic/Longyearbyen\n"
    )
    add_socket(made, "eth0")
    return made


class Clock:
    """Seconds since boot, moved by the test."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def kernel_addresses(*addresses):
    """What `ip -json address show` says."""
    rows = [{"local": one.partition("/")[0], "prefixlen": int(one.partition("/")[2])} for one in addresses]
    return json.dumps(
        [
            {
                "ifname": "eth0",
                "link_type": "ether",
                "operstate": "UP",
                "address": "52:54:00:0a:0b:0c",
                "addr_info": rows,
            }
        ]
    )
