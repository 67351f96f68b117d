"""Modems, cellular modules and DAHDI cards through pyudev and a made-up kernel."""

from __future__ import annotations

import json
import subprocess
import sysconfig
from pathlib import Path

import pytest

HERE = Path(__file__).parent
BOARD, ROOT = HERE.parent, HERE.parents[2]

MODEM = "pci-0000:00:14.0-usb-0:5"
MODULE = "pci-0000:00:14.0-usb-0:4"
LINKS = "/dev/serial/by-path/"


def play(scene):
    """What was seen in each step of a scene of mock_cards.py."""
    folders = (ROOT, sysconfig.get_path("purelib"), HERE, BOARD, BOARD / "modem", BOARD / "cellular")
    command = ["umockdev-wrapper", "/usr/bin/python3", HERE / "mock_cards.py", scene, *folders]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    return {one.pop("step"): one for one in map(json.loads, done.stdout.splitlines())}


@pytest.fixture(scope="module")
def modem():
    return play("modem")


@pytest.fixture(scope="module")
def module():
    return play("cellular")


@pytest.fixture(scope="module")
def dahdi():
    return play("dahdi")


def only(steps, step):
    """(kind, name, address, problem, model) of the one change of a step."""
    (change,) = steps[step]["changes"]
    return change


# ------------------------------------------------------------------------- modems
@pytest.mark.parametrize("step", ["found", "again"])
def test_a_modem_is_named_by_its_place_and_opened_by_its_link_whatever_its_number(modem, step):
    kind, name, address, problem, model = only(modem, step)
    assert (kind, name, problem) == ("CardFound", MODEM, "")
    assert address == f"modem:{LINKS}{MODEM}:1.0,id={MODEM}"
    assert "USR5637" in model


@pytest.mark.parametrize("step", ["found", "again"])
def test_a_modem_that_was_found_takes_a_call(modem, step):
    rings, talks = modem[f"{step} rings"], modem[f"{step} talks"]
    assert rings["events"].count("RingOn") == 1
    assert rings["numbers"] == ["13800138000"]
    assert "CommandDone" in talks["events"]
    assert talks["peak"] > 4500


def test_a_modem_pulled_in_mid_call_is_lost_and_its_port_says_so(modem):
    kind, name, *_ = only(modem, "pulled")
    assert (kind, name) == ("CardLost", MODEM)
    why, *_ = modem["pulled, the card"]["gone"]
    assert "gone" in why


# -------------------------------------------------------------- cellular modules
@pytest.mark.parametrize("first", ["0", "4"])
def test_a_module_waits_for_its_ports_and_is_opened_by_those_that_matter(module, first):
    kind, name, address, problem, _ = only(module, f"{first} bare")
    assert (kind, name, address) == ("CardFound", MODULE, "")
    assert "option" in problem
    kind, name, address, problem, _ = only(module, f"{first} found")
    assert (kind, name, problem) == ("CardChanged", MODULE, "")
    assert address == f"cellular:{LINKS}{MODULE}:1.2,id={MODULE},audio={LINKS}{MODULE}:1.1"


@pytest.mark.parametrize("first", ["0", "4"])
def test_a_module_that_was_found_takes_a_call(module, first):
    assert module[f"{first} rings"]["events"].count("RingOn") == 1
    assert module[f"{first} rings"]["numbers"] == ["13800138000"]
    assert "CommandDone" in module[f"{first} talks"]["events"]
    assert module[f"{first} talks"]["peak"] > 4500


def test_a_module_pulled_in_mid_call_is_lost_and_its_port_says_so(module):
    kind, name, *_ = only(module, "pulled")
    assert (kind, name) == ("CardLost", MODULE)
    why, *_ = module["pulled, the card"]["gone"]
    assert "gone" in why


# -------------------------------------------------------------------------- DAHDI
@pytest.mark.parametrize(
    "step, kind, words",
    [
        ("no driver", "CardFound", "driver wctdm is not installed: install Debian's dahdi-dkms"),
        ("not loaded", "CardChanged", "driver wctdm is not loaded: run modprobe wctdm"),
        (
            "not offered",
            "CardChanged",
            "driver wctdm is loaded but does not offer it (yet): see the kernel log",
        ),
        ("driver unloaded", "CardChanged", "does not offer it"),
    ],
)
def test_a_dahdi_card_that_cannot_be_used_says_what_is_missing(dahdi, step, kind, words):
    what, name, address, problem, model = only(dahdi, step)
    assert (what, name, address) == (kind, "pci-0000-05-02.0", "")
    assert words in problem
    assert "TDM400P" in model


def test_a_dahdi_card_keeps_its_name_when_its_driver_is_loaded(dahdi):
    assert only(dahdi, "offered")[:4] == ["CardChanged", "pci-0000-05-02.0", "dahdi:pci-0000-05-02.0", ""]
    assert only(dahdi, "pulled")[:2] == ["CardLost", "pci-0000-05-02.0"]


def test_a_channel_bank_says_that_its_firmware_is_missing_until_it_is_there(dahdi):
    kind, _, address, problem, _ = only(dahdi, "no firmware")
    assert (kind, address) == ("CardFound", "")
    assert problem.startswith("firmware missing: install Xorcom's")
    assert only(dahdi, "renumerating")[0] == "CardLost"
    assert only(dahdi, "firmware loaded")[:2] == ["CardFound", "usb-x1056543"]
    assert only(dahdi, "bank offered")[:4] == ["CardChanged", "usb-x1056543", "dahdi:usb-x1056543", ""]


def test_a_card_whose_driver_debian_leaves_out_says_so(dahdi):
    assert "DAHDI built from source, with wcaxx" in only(dahdi, "not in Debian")[3]
