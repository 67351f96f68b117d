"""A box made of files: partitions are files, mounted ones are folders; a real database of the product."""

import json
import os
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.paths import Home
from appliance.services import backup, backup_key
from appliance.store import open_store
from appliance.store.migrations import MIGRATIONS
from image.box import bootstate
from image.box.release import Release
from recovery.box import Box, Disk
from recovery.box import run as really_run
from tests.image.box.bundles import Maker
from tests.image.box.conftest import Programs

SERIAL = "ZJ-ABCDE-FGHJK"
OWN = Release("zongji", "amd64", "0.1.0", len(MIGRATIONS), "x")
"""What this recovery is: it knows the database of today."""
SYSTEM_BYTES = 9 * (1 << 20) + 12_345


def squashfs(path, size=SYSTEM_BYTES, seed=1, device_bytes=None):
    """A file that begins like a squashfs of `size` bytes, on a device of `device_bytes`; every byte of its
    content depends on `seed`."""
    pattern = bytes((number + seed) % 256 for number in range(256))
    body = bytearray((pattern * (size // 256 + 1))[:size])
    body[:4] = b"hsqs"
    body[40:48] = struct.pack("<Q", size)
    path.write_bytes(bytes(body) + bytes((device_bytes or size) - size))


class Rauc(Programs):
    """RAUC alone is another one: it trusts the makers of these tests."""

    NAMES = ("rauc",)


@pytest.fixture(scope="session")
def maker(tmp_path_factory):
    """Whose bundles the box takes."""
    return Maker(tmp_path_factory.mktemp("maker"), "maker")


@pytest.fixture(scope="session")
def bundles(maker, tmp_path_factory):
    """Two bundles of version 0.3.0, of the same size, told apart by their signatures alone."""
    path = tmp_path_factory.mktemp("bundles") / "new.raucb"
    made = {}
    while True:  # the length of an ECDSA signature varies by a byte or two
        data = maker.bundle(path, size=20_000).read_bytes()
        if len(data) in made:
            return made[len(data)], data
        made[len(data)] = data


@pytest.fixture
def box(tmp_path, maker, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    maker.trusted_by(Rauc(folder))
    monkeypatch.setattr("recovery.versions.MOUNTED", tmp_path / "slot")
    monkeypatch.setattr("recovery.versions.release.read", lambda _: OWN)
    root = tmp_path / "machine"
    parts = root / "dev"
    parts.mkdir(parents=True)
    labels = {label: parts / label for label in ("esp", "recovery", "rootfs-a", "rootfs-b", "config", "data")}
    for label in ("esp", "config", "data"):
        labels[label].write_bytes(bytes(4096))
    squashfs(labels["recovery"], seed=7, device_bytes=12 << 20)
    squashfs(labels["rootfs-a"], seed=1, device_bytes=12 << 20)
    squashfs(labels["rootfs-b"], seed=2, device_bytes=12 << 20)
    boot, config, data, stick = (root / name for name in ("boot", "config", "data", "stick"))
    for folder in (boot, config, data, stick):
        folder.mkdir()
    bootstate.save(bootstate.State(5, ("A", "B"), bootstate.Slot(True, 3), bootstate.Slot(True, 3)), boot)
    bootstate.save(bootstate.load(boot), boot)
    (config / "identity.json").write_text(json.dumps({"serial": SERIAL, "product": "zongji"}))
    (config / "network.json").write_text("{}")
    (config / "machine-id").write_text("1234")
    home = Home(data / "zongji")
    home.create()
    store = open_store(home.database)
    store.settings.set("company", "Blue Bay", "me")
    store.users.create("boss", "old hash", "admin")
    store.close()
    for n in range(3):
        path = home.recordings / "2027" / f"c{n}.wav"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes([n]) * 50_000)
    disk = Disk(parts / "sda", 64 << 20, "SSD 64", "S123", labels)
    ran = []

    def run(*command, **more):
        ran.append(command)
        if Path(command[0]).name == "zongji":
            more.pop("uid", None)
            return really_run(*command, **more)
        if command[0] == "mount":
            return 32, "no file system"
        if command[0] in ("systemctl", "systemd-run", "rauc", "umount"):
            return 0, ""
        return really_run(*command, **more)

    made = Box(disk, boot, config, data, labels["recovery"], stick, (disk,), False, "ordered", run)
    made.ran = ran
    return made


@pytest.fixture
def home(box):
    return Home(box.data / "zongji")


@pytest.fixture
def backup_on_stick(box, home, monkeypatch):
    """A backup of the box with its key beside it, and the box changed since."""
    monkeypatch.setenv("ZONGJI_CONFIG", str(box.config))
    key = backup_key.load_or_make(home)
    made = backup.make(home, key, now=1_800_000_000.0, version="0.1.0")
    made.path.replace(box.stick / made.path.name)
    store = open_store(home.database)
    store.settings.set("company", "changed since", "me")
    store.close()
    return box.stick / made.path.name


@pytest.fixture
def slots(box, bundles, tmp_path, monkeypatch):
    """Versions of the systems A and B, as they are found when they are mounted; "" cannot be mounted."""
    found, place, consent = {"A": "0.2.0", "B": "0.1.0"}, tmp_path / "slot", tmp_path / "consent"
    monkeypatch.setattr("recovery.actions.install.DEVICES", tmp_path / "dev-zongji")
    monkeypatch.setattr("recovery.actions.install.CONSENT", consent)
    real, found["told"] = box.run, []

    def run(*command, **more):
        if command[0] == "mount":
            version = found["A" if command[-2] == str(box.slot("A")) else "B"]
            release = place / "usr/lib/zongji/release"
            release.parent.mkdir(parents=True, exist_ok=True)
            release.write_text(f"PRODUCT=zongji\nHARDWARE=amd64\nVERSION={version}\nSCHEMA=1\nBUILD=x\n")
            return (0, "") if version else (32, "")
        if command[:2] == ("rauc", "install"):
            found["told"].append(consent.read_text())
        return real(*command, **more)

    box.run = run
    (box.stick / "new.raucb").write_bytes(bundles[0])
    return found


@pytest.fixture
def flashed(box, slots):
    """This recovery is 0.1.0; the box was updated to 0.2.0."""
    bootstate.save(replace(bootstate.load(box.boot), order=("B", "A")), box.boot)
    slots["A"], slots["B"] = "0.1.0", "0.2.0"
    return slots


def company(home):
    store = open_store(home.database)
    try:
        return store.settings.get("company")
    finally:
        store.close()


def quiet(step, percent):
    pass
