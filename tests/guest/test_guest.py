"""The guest itself: what later tests rely on."""

import time
from pathlib import Path

import pytest

from tests.guest.guest import in_guest
from tests.guest.kernel_tree import REPOSITORY
from tests.guest.modules import modprobe

MARK = REPOSITORY / "build" / "written-in-the-guest"


def test_has_this_repository_and_what_it_writes_stays_in_there(guest):
    assert guest.run(__name__, "leaves_a_mark") == (REPOSITORY / "board" / "api.py").read_text()
    assert not MARK.exists()


@in_guest()
def leaves_a_mark():
    MARK.parent.mkdir(exist_ok=True)
    MARK.write_text("x")
    return (REPOSITORY / "board" / "api.py").read_text()


@in_guest()
def test_its_clock_runs():
    begun = time.monotonic()
    time.sleep(0.5)
    assert 0.45 < time.monotonic() - begun < 1.0


@in_guest()
def test_drivers_of_cards_load():
    for driver in ("wctdm", "wcfxo"):
        modprobe(driver)
    assert Path("/sys/module/wctdm").is_dir()


def test_a_failure_in_it_is_a_failure_here(guest):
    with pytest.raises(AssertionError, match="this is on purpose"):
        guest.run(__name__, "fails")


def test_a_body_that_does_not_end_is_ended(guest):
    with pytest.raises(AssertionError, match=r"took longer than 1"):
        guest.run(__name__, "hangs", timeout_s=1.0)


@in_guest()
def fails():
    raise ValueError("this is on purpose")


@in_guest()
def hangs():
    while True:
        time.sleep(1)
