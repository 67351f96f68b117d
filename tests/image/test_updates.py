"""Updates: refused, installed, cut off, fallen back from (promises 1 to 8)."""

import json
import os
import random

import pytest

from tests.image.livebox import Box
from tests.image.vm import VmError

KILLS = int(os.environ.get("ZONGJI_KILLS", "3"))
"""Power cuts at random points; the long run (make test-image-long) has 100 of them."""
SEED = int(os.environ.get("ZONGJI_SEED", "20261128"))
NEWER = "0.2.0"


def source(bundle) -> dict:
    return {"kind": "usb", "stick": "STICK-sda", "name": bundle.name}


def wait_stick(box: Box, stick) -> None:
    box.vm.plug_stick(stick)
    box.shell("until ls /run/zongji/usb/STICK-sda/*.raucb >/dev/null 2>&1; do sleep 0.2; done")


def slot_hash(box: Box, slot: str) -> str:
    """Of the beginning of a system, where every installation writes first."""
    return box.shell(f"head -c 32M /dev/zongji/rootfs-{slot} | sha256sum").split()[0]


def wait_job(box: Box, *states: str) -> dict:
    """Until the installation is in one of these states."""
    wanted = " or ".join(f"'{state}'" for state in states)
    script = f'until grep -Eq \'"state": "({"|".join(states)})"\' /run/zongji/update.json; do sleep 0.3; done'
    box.shell(script, timeout_s=900)
    job = json.loads(box.shell("cat /run/zongji/update.json"))
    assert job["state"] in states, f"{job} instead of {wanted}"
    return job


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("foreign", "bundle_foreign"),
        ("tampered", "bundle_tampered"),
        ("truncated", "bundle_truncated"),
        ("wrong-product", "wrong_product"),
        ("wrong-hardware", "wrong_hardware"),
        ("too-large", "too_large"),
        ("older", "downgrade"),
    ],
)
def test_05_a_bundle_that_is_not_for_this_box_is_refused_and_nothing_written(refusing, built, name, code):
    box, before = refusing
    bundle = built.variant(name)
    box.system("update.install", source=source(bundle))
    job = wait_job(box, "failed")
    assert job["problem"]["code"] == code, job
    assert box.shell("cat /boot/esp/zongji/state-1 /boot/esp/zongji/state-2 | sha256sum") == before
    page = box.pages.open("/admin/updates/")
    assert page.status == 200


@pytest.fixture(scope="module")
def refusing(ready, built, tmp_path_factory):
    """A box with a stick of bad bundles in it; what its other slot held is the same in the end."""
    from tests.image.sticks import make_stick

    folder = tmp_path_factory.mktemp("refusing")
    names = ("foreign", "tampered", "truncated", "wrong-product", "wrong-hardware", "too-large", "older")
    stick = make_stick(folder / "stick.img", *(built.variant(name) for name in names), size_mb=2040)
    with ready.resume(folder) as box:
        wait_stick(box, stick)
        other = slot_hash(box, "b")
        yield box, box.shell("cat /boot/esp/zongji/state-1 /boot/esp/zongji/state-2 | sha256sum")
        assert slot_hash(box, "b") == other


def test_an_update_is_installed_confirmed_and_touches_no_recording(ready, built, make, tmp_path, figures):
    """Promises 6 and 9, and the way back with consent."""
    bundle = built.variant("good")
    with ready.resume(tmp_path) as box:
        box.shell(
            "mkdir -p /data/zongji/recordings/2026/11/28 && head -c 3000000 /dev/urandom "
            "> /data/zongji/recordings/2026/11/28/kept.wav && sync"
        )
        recordings = box.hashes("/data/zongji/recordings")
        wait_stick(box, make(bundle))
        began = box.vm.elapsed_s()
        box.system("update.install", source=source(bundle))
        box.vm.wait_reset()
        figures["update written, s"] = round(box.vm.elapsed_s() - began, 1)
        box.vm.wait_console("Zongji: starting system B")
        box.wait_takes_calls()
        figures["update begun to taking calls again, s"] = round(box.vm.elapsed_s() - began, 1)
        box.sign_in()
        assert box.version() == NEWER
        box.shell("until /usr/lib/zongji/bootstate get-state B | grep -q good; do sleep 0.5; done")
        assert box.hashes("/data/zongji/recordings") == recordings
        box.shell("until grep -q confirmed /data/system/updates.jsonl; do sleep 0.5; done")
        assert "0.2.0" in box.pages.open("/admin/updates/")


def test_01_a_power_cut_at_any_instant_of_an_update_leaves_a_box_that_takes_calls(
    ready, built, make, tmp_path
):
    """Seeded random points of install, first start and confirmation."""
    bundle = built.variant("good")
    stick = make(bundle)
    chance = random.Random(SEED)
    outcomes = []
    for kill in range(KILLS):
        folder = tmp_path / str(kill)
        folder.mkdir()
        with ready.resume(folder) as box:
            wait_stick(box, stick)
            box.system("update.install", source=source(bundle))
            after_s = chance.uniform(0.0, 75.0)
            try:
                box.vm.wait_console("never printed", after_s)
            except VmError:
                box.vm.cut()
        with ready.start(folder) as box:
            slot = box.vm.wait_console("Zongji: starting system ([AB])")[1]
            box.wait_takes_calls()
            version = box.version()
            assert version == {"A": built.version, "B": NEWER}[slot]
            outcomes.append((round(after_s, 1), slot))
    print("cut after s, system that ran:", outcomes)


def test_03_a_system_whose_kernel_panics_is_left_and_the_page_says_so(ready, built, make, tmp_path):
    """Promises 3 and 4."""
    bundle = built.variant("panic")
    with ready.resume(tmp_path) as box:
        wait_stick(box, make(bundle))
        box.system("update.install", source=source(bundle))
        starts = [box.vm.wait_console(r"Zongji: starting (system [AB])")[1] for _ in range(4)]
        assert starts == ["system B"] * 3 + ["system A"]
        box.wait_takes_calls()
        box.sign_in()
        assert box.version() == built.version
        status = box.system("status")
        assert status["fell_back"]["version"] == NEWER
        assert status["fell_back"]["reason"] == "never_started"
        assert NEWER in box.pages.open("/admin/")
        assert NEWER in box.pages.open("/admin/updates/")


def test_08_two_systems_that_do_not_start_end_in_recovery(ready, built, make, tmp_path):
    bundle = built.variant("panic")
    with ready.resume(tmp_path) as box:
        wait_stick(box, make(bundle))
        box.shell("printf wrong | dd of=/dev/zongji/rootfs-a conv=notrunc status=none; sync")
        box.system("update.install", source=source(bundle))
        starts = [box.vm.wait_console(r"Zongji: starting (system [AB])")[1] for _ in range(3)]
        assert starts == ["system B"] * 3
        box.vm.wait_console("Zongji: system A cannot be loaded")
        box.vm.wait_console(r"Zongji: starting recovery \(exhausted\)")
        box.vm.wait_console(r"\n +1  \w")  # the menu
