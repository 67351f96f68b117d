"""Disks as the kernel shows them, on a made-up /sys."""

import os
from pathlib import Path

import pytest

from image.box import disk
from recovery import find
from recovery.box import OURS


@pytest.fixture
def machine(tmp_path):
    """add("sda", 1000, ["esp", …], model=…, serial=…)"""
    block = tmp_path / "block"

    def add(name, sectors, labels=(), model="", serial=""):
        disk = block / name
        (disk / "device").mkdir(parents=True)
        (disk / "size").write_text(f"{sectors}\n")
        (disk / "device" / "model").write_text(f"{model}   \n")
        (disk / "device" / "serial").write_text(f"{serial}\n")
        for number, label in enumerate(labels, 1):
            part = disk / f"{name}{number}"
            part.mkdir()
            (part / "partition").write_text(f"{number}\n")
            (part / "uevent").write_text(f"MAJOR=8\nDEVNAME={part.name}\nPARTNAME={label}\n")

    add.block = block
    return add


def test_a_disk_of_ours_is_told_from_any_other(machine, tmp_path):
    machine("sda", 2048, ["bios", *OURS], "SSD 64", "S123")
    machine("sdb", 4096, ["Windows", "data"], "WD Blue", "WD-777")
    machine("loop0", 4096)
    machine("sr0", 4096)
    machine("sdc", 0)
    disk = machine.block / "sdb" / "device"
    (disk / "serial").unlink()  # SCSI and SATA have a page of bytes instead
    (disk / "vpd_pg80").write_bytes(b"\x00\x80\x00\x0c    WD-777  ")
    ours, other = find.disks(machine.block)
    assert ours.ours and ours.size == 2048 * 512 and ours.labels["rootfs-a"] == Path("/dev/sda4")
    assert ours.names == {"SSD 64", "S123"}
    assert other.parts == (Path("/dev/sdb1"), Path("/dev/sdb2"))
    assert not other.ours and other.names == {"WD Blue", "WD-777"}


def test_a_disk_that_lacks_one_of_our_partitions_is_not_ours(machine, tmp_path):
    machine("sda", 2048, [label for label in OURS if label != "config"])
    assert not find.disks(machine.block)[0].ours


def test_a_disk_without_a_name_can_be_named_by_nobody(machine, tmp_path):
    machine("vda", 2048)
    assert find.disks(machine.block)[0].names == set()


def test_the_stick_that_holds_the_image_is_no_disk_to_write_to(machine):
    machine("sda", 2048, ["bios", *OURS])
    machine("sdb", 2048, ["ZONGJI"])
    machine("sdc", 2048)
    one, two, whole = find.disks(machine.block)
    for stick, held in ((Path("/x/ZONGJI-sdb1"), two), (Path("/x/KINGSTON-sdc"), whole), (None, None)):
        found = [disk for disk in (one, two, whole) if find._holds(disk, stick, machine.block)]
        assert found == ([held] if held else [])


def test_where_it_was_started_from_and_why(tmp_path):
    (tmp_path / "boot.env").write_text("DISK=sda\nROOT=sda3\nNUMBER=3\n")
    (tmp_path / "cmdline").write_text("root=x zongji.mode=recovery zongji.recovery=exhausted quiet\n")
    assert find.started_from(tmp_path / "boot.env") == "sda"
    assert find.cause(tmp_path / "cmdline") == "exhausted"
    assert find.started_from(tmp_path / "none") == "" and find.cause(tmp_path / "none") == ""


def test_our_sticks_files_come_before_any_other(tmp_path):
    mounted = set()
    assert find.stick_folder(tmp_path, mounted.__contains__) is None
    for name in ("KINGSTON-sdb1", "ZONGJI-sdc4"):
        (tmp_path / name).mkdir()
    assert find.stick_folder(tmp_path, mounted.__contains__) is None, "no file of it is there yet"
    assert find.stick_folder(tmp_path) is None, "a folder is no stick"
    mounted.add(tmp_path / "KINGSTON-sdb1")
    assert find.stick_folder(tmp_path, mounted.__contains__).name == "KINGSTON-sdb1"
    mounted.add(tmp_path / "ZONGJI-sdc4")
    assert find.stick_folder(tmp_path, mounted.__contains__).name == "ZONGJI-sdc4"


def test_a_stick_is_told_from_the_one_that_was_in_before(tmp_path):
    stick, note = Path("/run/zongji/usb/ZONGJI-sdb1"), tmp_path / "sdb1.json"
    assert find.plugged(None, tmp_path) == find.plugged(stick, tmp_path) == 0
    seen = set()
    for moment in (10**18, 10**18 + 1):
        note.write_text("{}")
        os.utime(note, ns=(moment, moment))
        seen.add(find.plugged(stick, tmp_path))
    assert seen == {10**18, 10**18 + 1}


def test_a_damaged_partition_is_tried_once_and_not_every_time_somebody_looks(tmp_path, monkeypatch):
    tried = []

    def run(*command, **more):
        tried.append(command[0])
        raise disk.DiskError("bad superblock")

    monkeypatch.setattr(disk, "check", lambda device: run("e2fsck"))
    monkeypatch.setattr(disk, "run", run)
    monkeypatch.setattr(find, "_useless", set())
    monkeypatch.setitem(disk.OPTIONS, "data", (tmp_path / "data", "ext4", "noatime"))
    for _ in range(3):
        assert find._mount(tmp_path / "sda7", "data") is None
    assert tried == ["e2fsck", "mount"]
