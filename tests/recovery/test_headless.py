"""A stick that names an action and a box: only that box, only once, and the answer is on the stick."""

import gzip
import json
import os

import pytest

from recovery import headless, runner
from recovery.box import Disk
from recovery.words import PROBLEMS

from .conftest import SERIAL, quiet
from .test_actions import cut_while_installing, disk_image, recordings, start_again, tree


def order(box, **more):
    (box.stick / "recovery.json").write_text(json.dumps({"action": "factory_reset", "serial": SERIAL} | more))


def result(box):
    return json.loads((box.stick / "recovery-result.json").read_text())


def test_the_box_that_is_named_obeys_once(box):
    order(box, options={"keep_recordings": False})
    assert headless.run(box, quiet)["ok"]
    assert recordings(box) == {} and result(box)["code"] == "done" and result(box)["serial"] == SERIAL
    assert not (box.stick / "recovery.json").exists() and (box.stick / "recovery.json.done").exists()
    assert headless.run(box, quiet) is None


@pytest.mark.parametrize(
    ("serial", "code"),
    [
        ("ZJ-OTHER-BOX22", "serial_wrong"),
        ("", "serial_missing"),
        (None, "serial_missing"),
        (7, "serial_missing"),
    ],
)
def test_a_box_that_is_not_named_is_never_touched(box, serial, code):
    before = tree(box.data), tree(box.config), tree(box.boot), box.slot("A").read_bytes()
    order(box, serial=serial)
    assert headless.run(box, quiet)["code"] == code
    assert (tree(box.data), tree(box.config), tree(box.boot), box.slot("A").read_bytes()) == before
    assert result(box)["ok"] is False and (box.stick / "recovery.json").exists()
    assert code in (box.stick / "recovery-result.txt").read_text()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("{", "bad_order"),
        ("[]", "bad_order"),
        ('{"action": 7}', "bad_order"),
        ('{"action": "format", "serial": "x"}', "unknown_action"),
        (json.dumps({"action": "reinstall", "serial": SERIAL, "options": []}), "bad_order"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused_by_name(box, content, code):
    (box.stick / "recovery.json").write_text(content)
    assert headless.run(box, quiet)["code"] == code
    assert code in PROBLEMS


def test_a_stick_that_nobody_thought_of_does_not_take_the_menu_away(box):
    (box.stick / "recovery.json").write_text("[" * 100_000)
    found = headless.run(box, quiet)
    assert found["code"] == "failed" and "RecursionError" in found["text"] and result(box) == found
    half = gzip.compress(
        bytes(512) + b"EFI PART" + bytes(24) + b"\xff\x07".ljust(8, b"\0") + os.urandom(1 << 20)
    )[:-1000]
    (box.stick / "zongji.img.gz").write_bytes(half)
    device = box.disk.path.with_name("sdb")
    device.write_bytes(bytes(1 << 20))
    box.disks = (Disk(device, 64 << 30, "WD Blue", "WD-777"),)
    order(box, action="write_image", options={"disk_serial": "WD-777"})
    assert headless.run(box, quiet)["code"] == "failed"


def test_a_stick_that_names_a_model_erases_no_box_that_has_such_a_disk(box):
    before = bytes(1 << 20)
    box.disk.path.write_bytes(before)
    disk_image(box.stick / "zongji.img.gz", 1 << 11)
    order(box, action="write_image", options={"disk_serial": box.disk.model, "erase": True})
    assert headless.run(box, quiet)["code"] == "disk_not_named"
    assert box.disk.path.read_bytes() == before


def test_a_machine_without_a_box_is_not_touched(box):
    (box.config / "identity.json").unlink()
    order(box)
    assert headless.run(box, quiet)["code"] == "no_box"


def test_the_copy_of_the_identity_counts_when_config_is_damaged(box):
    copy = box.data / "system" / "config-copy"
    copy.mkdir(parents=True)
    (box.config / "identity.json").replace(copy / "identity.json")
    (box.config / "identity.json").write_text("{")
    assert box.serial == SERIAL


def test_a_stick_that_cannot_be_written_is_not_obeyed_twice(box, monkeypatch):
    from pathlib import Path

    order(box, action="reinstall")
    real = Path.replace

    def refuse(self, target):
        if box.stick in self.parents:
            raise OSError(30, "Read-only file system")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    assert headless.run(box, quiet)["ok"]
    assert (box.stick / "recovery.json").exists()
    assert headless.run(box, quiet) is None


def test_the_same_words_on_another_stick_are_another_order(box):
    for _ in range(2):
        order(box, action="reinstall")
        assert headless.run(box, quiet)["ok"]
        assert headless.run(box, quiet) is None, "it has been put away"
        (box.stick / "recovery.json.done").unlink()


def test_an_order_that_a_power_cut_has_ended_is_finished_with_the_same_stick(box, slots, bundles):
    order(box, action="install")
    written = cut_while_installing(box, lambda: headless.run(box, quiet))
    start_again(box)
    assert runner.resume(box, quiet)["ok"] and written == ["cut", bundles[0]]
    assert result(box)["code"] == "done" and result(box)["source"] == "stick"
    assert runner.pending(box) is None


def test_going_back_by_a_reinstallation_wants_the_word_in_the_order(box, flashed):
    order(box, action="reinstall")
    assert headless.run(box, quiet)["code"] == "downgrade" and "0.2.0" in result(box)["text"]
    order(box, action="reinstall", options={"older": True})
    assert headless.run(box, quiet)["ok"]


def test_without_an_order_nothing_happens(box):
    assert headless.run(box, quiet) is None
    box.stick = None
    assert headless.run(box, quiet) is None
