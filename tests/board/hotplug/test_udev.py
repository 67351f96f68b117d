"""Through pyudev and a made-up kernel (umockdev): add, change, remove."""

from __future__ import annotations

import json
import subprocess
import sysconfig
from pathlib import Path

import pytest

from board.hotplug.udev import driver_state

HERE = Path(__file__).parent
ROOT = HERE.parents[2]


@pytest.fixture(scope="module")
def steps():
    """What was seen in each step of mock_udev.py."""
    script = HERE / "mock_udev.py"
    command = ["umockdev-wrapper", "/usr/bin/python3", script, ROOT, sysconfig.get_path("purelib"), HERE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return {one["step"]: one["changes"] for one in map(json.loads, done.stdout.splitlines())}


def test_a_card_waits_for_its_sound_and_is_then_found_by_its_serial_number(steps):
    assert steps["added"] == []
    assert [one[:3] for one in steps["ready"]] == [["CardFound", "ZJ0042", "linecard:ZJ0042"]]


def test_a_pulled_card_is_lost_and_found_again_under_the_same_name(steps):
    assert [change[:2] for change in steps["pulled"]] == [["CardLost", "ZJ0042"]]
    assert [one[:3] for one in steps["again"]] == [["CardFound", "ZJ0042", "linecard:ZJ0042"]]


def test_a_card_that_was_there_before_us_is_found_by_looking(steps):
    assert [one[:3] for one in steps["scan"]] == [["CardFound", "ZJ0042", "linecard:ZJ0042"]]


def test_waiting_ends_when_another_thread_says_so(steps):
    assert steps["woken"] == []


def test_state_of_a_driver_by_what_the_kernel_has(tmp_path):
    (tmp_path / "sys" / "wctdm").mkdir(parents=True)
    modules = tmp_path / "modules"
    modules.mkdir()
    (modules / "modules.dep").write_text("updates/dkms/opvxa1200.ko: kernel/lib/crc.ko\nx/cdc-acm.ko.xz:\n")

    def state(driver):
        return driver_state(driver, tmp_path / "sys", modules)

    assert state("wctdm") == "loaded"
    assert state("opvxa1200") == "installed"
    assert state("cdc_acm") == "installed"
    assert state("wcaxx") == "absent"
