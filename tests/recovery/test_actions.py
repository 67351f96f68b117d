"""Recovery's actions on a box of files: they do what they say, and a power cut at any write is made good."""

import gzip
import hashlib
import json
import os
import shutil
import struct
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from appliance.store import StoreError, open_store
from appliance.store.migrations import MIGRATIONS
from image.box import bootstate
from image.box.places import Places
from image.box.release import NoRelease, Release
from image.box.update import verity
from recovery import headless, runner
from recovery.actions import reinstall, restore
from recovery.box import Disk
from recovery.refused import Changed, Refused
from tests.image.box.bundles import Maker
from webui.accounts import password_fits

from .conftest import SERIAL, SYSTEM_BYTES, Rauc, company, quiet, squashfs


def system_of(path):
    return hashlib.sha256(path.read_bytes()[:SYSTEM_BYTES]).hexdigest()


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def refusal(box, name, **options):
    with pytest.raises(Refused) as refused:
        runner.run(box, name, options, quiet)
    return refused.value.code


def recordings(box):
    return tree(box.data / "zongji" / "recordings")


# -------------------------------------------------------------------------- each
def test_reinstall_writes_the_system_anew_and_keeps_all_data(box):
    before = tree(box.data), tree(box.config)
    result = runner.run(box, "reinstall", {}, quiet)
    assert result["ok"] and result["serial"] == SERIAL
    assert system_of(box.slot("A")) == system_of(box.system)
    assert (tree(box.data), tree(box.config)) == before
    state = bootstate.load(box.boot)
    assert state.order[0] == "A" and state.a == bootstate.Slot(False, 3)
    assert not state.recovery and runner.pending(box) is None
    assert json.loads((box.stick / "recovery-result.json").read_text())["code"] == "done"
    assert "action: reinstall" in (box.stick / "recovery-result.txt").read_text()


def test_a_disk_that_is_too_small_is_refused_before_anything_is_written(box):
    before = box.slot("A").read_bytes()[: 5 << 20]
    box.slot("A").write_bytes(before)
    assert refusal(box, "reinstall") == "too_small"
    assert box.slot("A").read_bytes() == before
    assert not bootstate.load(box.boot).recovery


@pytest.mark.parametrize("spoil", ["none", "rubbish", "short"])
def test_without_a_whole_system_nothing_is_begun(box, spoil):
    if spoil == "none":
        box.system = None
    elif spoil == "rubbish":
        box.system.write_bytes(bytes(1 << 20))
    else:
        box.system.write_bytes(box.system.read_bytes()[: 1 << 20])
    assert refusal(box, "reinstall") in ("no_system", "system_damaged")
    assert bootstate.load(box.boot).a.confirmed


def test_a_recovery_partition_that_cannot_be_read_costs_no_system_that_works(box, monkeypatch):
    before = box.slot("A").read_bytes()

    def broken(path, total):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(reinstall, "read_all", broken)
        assert refusal(box, "reinstall") == "system_damaged"
    with monkeypatch.context() as patch:
        patch.setattr(reinstall, "read_all", lambda path, total: patch.setattr(Path, "open", broken))
        assert refusal(box, "reinstall") == "system_damaged"
    assert bootstate.load(box.boot).a.confirmed and box.slot("A").read_bytes() == before
    assert runner.pending(box) is None


def test_what_a_step_has_done_is_on_the_disk_before_it_is_noted(box, monkeypatch):
    """Else a power cut right after "done" brings back what a factory reset has deleted."""
    told = []
    note, clear = runner._note, bootstate.clear_recovery
    monkeypatch.setattr(runner.os, "sync", lambda: told.append("on the disk"))
    monkeypatch.setattr(runner, "_note", lambda *about: (told.append("noted"), note(*about)))
    monkeypatch.setattr(bootstate, "clear_recovery", lambda *about: (told.append("cleared"), clear(*about)))
    box.stick = None
    runner.run(box, "factory_reset", {"keep_recordings": False}, quiet)
    assert told.pop(0) == "noted", "the order itself"
    assert told.pop() == "cleared"
    assert told == ["on the disk", "noted"] * (len(told) // 2)
    assert told


def test_a_disk_that_loses_what_is_written_is_found_out(box, monkeypatch):
    target = box.slot("A")
    real = os.posix_fadvise

    def rot(descriptor, *rest):
        with target.open("r+b") as file:
            file.seek(5 << 20)
            file.write(b"rot")
        return real(descriptor, *rest)

    monkeypatch.setattr(os, "posix_fadvise", rot)
    assert refusal(box, "reinstall") == "disk_bad"
    assert bootstate.load(box.boot).recovery, "recovery stays until it is solved"


# ------------------------------------------------------------- an older system
def shown(box, **options):
    return str(runner.plan(box, "reinstall", options))


def test_reinstalling_an_older_version_than_the_one_that_would_be_left_wants_the_word(box, flashed):
    before = untouched(box)
    with pytest.raises(
        Refused, match=r"going back from version 0\.2\.0 to 0\.1\.0; settings.*stay"
    ) as refused:
        runner.run(box, "reinstall", {"older": "yes"}, quiet)
    assert refused.value.code == "downgrade" and untouched(box) == before
    assert runner.pending(box) is None and not bootstate.load(box.boot).recovery
    assert "going back from version 0.2.0 to 0.1.0" in shown(box, older=True)
    assert runner.run(box, "reinstall", {"older": True}, quiet)["ok"]
    assert system_of(box.slot("A")) == system_of(box.system)


@pytest.mark.parametrize("versions", [("0.1.0", "0.1.0"), ("0.1.0", ""), ("", ""), ("0.0.9", "0.1.0-rc1")])
def test_reinstalling_what_is_no_older_wants_no_word(box, flashed, versions):
    flashed["A"], flashed["B"] = versions
    assert "going back" not in shown(box) and runner.run(box, "reinstall", {}, quiet)["ok"]


@pytest.mark.parametrize("left", ["0.2.0", ""], ids=["a newer system", "no system that can be read"])
def test_what_an_older_version_will_find_of_the_database_is_what_it_finds(box, home, flashed, left):
    flashed["A"], flashed["B"] = "", left
    open_store(home.database, migrations=NEWER).close()
    store = open_store(home.database, migrations=NEWER)
    store.settings.set("company", "of the newer version", "me")
    store.close()
    copy = home.database.parent / "copies" / f"zongji-before-{len(NEWER)}.db"
    os.utime(copy, (1_700_000_000, 1_700_000_000))
    newer = home.database.read_bytes()
    assert refusal(box, "reinstall") == "downgrade"
    said = shown(box, older=True)
    assert f"version 0.1.0 (now: {left or '0.1.0'}), which does not know" in said and "2023-11-1" in said
    store = open_store(home.database)  # as the older program does
    assert store.settings.get("company") == "Blue Bay" and store.fallback
    store.settings.set("company", "of the older version", "me")
    store.close()
    assert home.database.read_bytes() == newer, "it is kept"
    assert time.strftime("of %Y-%m-%d, with the calls") in shown(box, older=True), "its own, from now on"
    store = open_store(home.database, migrations=NEWER)
    assert store.settings.get("company") == "of the newer version"
    store.close()


def test_without_a_database_that_the_older_version_knows_its_maintenance_is_foretold(box, home, flashed):
    open_store(home.database, migrations=NEWER).close()
    (home.database.parent / "copies" / f"zongji-before-{len(NEWER)}.db").write_bytes(b"no database")
    assert refusal(box, "reinstall") == "downgrade"
    assert "its pages show maintenance" in shown(box, older=True)
    with pytest.raises(StoreError):
        open_store(home.database)


@pytest.mark.parametrize("agreed", [True, False])
def test_an_ordered_reinstall_goes_back_only_with_the_consent_that_the_order_carries(box, flashed, agreed):
    options = {"older": True} if agreed else {}
    (box.config / "order.json").write_text(json.dumps({"action": "reinstall", "options": options}))
    bootstate.order_recovery(box.boot)
    if agreed:
        assert runner.resume(box, quiet)["ok"] and system_of(box.slot("A")) == system_of(box.system)
        return
    before = untouched(box)
    with pytest.raises(Refused) as refused:
        runner.resume(box, quiet)
    assert refused.value.code == "downgrade" and untouched(box) == before
    assert runner.pending(box) is None and not bootstate.load(box.boot).recovery


@pytest.mark.parametrize("options", [{"older": True}, {}])
def test_a_reinstall_that_a_power_cut_has_ended_is_not_asked_about_again(box, flashed, monkeypatch, options):
    """{}: A had the version of this recovery and came first, so that no word was wanted; now that it is given
    up, B with its newer one would be left."""
    if not options:
        bootstate.save(replace(bootstate.load(box.boot), order=("A", "B")), box.boot)
    real = bootstate.set_state

    def cut(*about):
        real(*about)
        flashed["A"] = ""
        raise PowerCut

    with monkeypatch.context() as patch, pytest.raises(PowerCut):
        patch.setattr(bootstate, "set_state", cut)
        runner.run(box, "reinstall", options, quiet)
    assert runner.pending(box)["step"] == 0
    assert refusal(box, "reinstall") == "downgrade", "to begin it now wants the word"
    assert runner.resume(box, quiet)["ok"] and system_of(box.slot("A")) == system_of(box.system)


@pytest.mark.parametrize("keep", [True, False])
def test_factory_reset_takes_what_it_says_and_the_box_stays_itself(box, keep):
    kept = recordings(box)
    (box.data / "zongji" / "recovery-key.txt").write_text("secret")
    runner.run(box, "factory_reset", {"keep_recordings": keep}, quiet)
    assert recordings(box) == (kept if keep else {})
    assert not (box.data / "zongji" / "db").exists()
    assert "secret" not in "".join(
        path.read_text("latin-1") for path in box.data.rglob("*") if path.is_file()
    )
    assert set(tree(box.config)) == {"identity.json", "machine-id"}
    assert box.serial == SERIAL


def test_recordings_go_only_where_that_was_said(box):
    kept = recordings(box)
    runner.run(box, "factory_reset", {}, quiet)
    assert recordings(box) == kept
    assert refusal(box, "factory_reset", keep_recordings="no") == "bad_option"


def test_restore_by_the_products_own_program(box, home, backup_on_stick):
    runner.run(box, "restore", {"file": backup_on_stick.name}, quiet)
    assert company(home) == "Blue Bay"


def test_a_backup_of_a_clock_that_was_ahead_is_not_the_newest(box):
    days = {name: time.time() + days * 86400 for name, days in (("old", -9), ("new", 0), ("ahead", 900))}
    made = {name: time.strftime("zongji-%Y%m%d-%H%M%S.zjb", time.localtime(at)) for name, at in days.items()}
    for name in made.values():
        (box.stick / name).write_bytes(b"")
    assert [path.name for path in restore.backups(box)] == [made[name] for name in ("new", "old", "ahead")]


def test_restore_on_a_blank_box_with_the_key_on_the_stick(box, home, backup_on_stick):
    shutil.copy(box.config / "recovery-key.txt", box.stick / "recovery-key.txt")
    (box.config / "recovery-key.txt").unlink()
    shutil.rmtree(home.root)
    runner.run(box, "restore", {}, quiet)
    assert company(home) == "Blue Bay"


def test_a_backup_that_cannot_be_used_says_why_in_the_result(box, home, backup_on_stick):
    content = bytearray(backup_on_stick.read_bytes())
    content[-30] ^= 1
    backup_on_stick.write_bytes(content)
    with pytest.raises(Refused, match="changed or damaged"):
        runner.run(box, "restore", {}, quiet)
    assert company(home) == "changed since"
    assert refusal(box, "restore", file="none.zjb") == "no_backup"
    backup_on_stick.write_bytes(b"hello")
    assert refusal(box, "restore") == "not_a_backup"


def test_a_new_password_works_and_the_old_one_does_not(box, home):
    told = []
    runner.run(box, "reset_password", {}, lambda step, percent: told.append(step))
    name, password = told[-1].split()
    store = open_store(home.database)
    row = store.users.by_username(name)
    assert name == "boss" and password_fits(row["password_hash"], password)
    assert store.audit.list()[1]["who"] == "recovery"
    store.close()
    assert refusal(box, "reset_password", user="nobody") == "product_refused"


NEWER = [*MIGRATIONS, ("ALTER TABLE users ADD COLUMN of_tomorrow TEXT NOT NULL DEFAULT ''",)]


@pytest.mark.parametrize("fell_back", [False, True])
def test_a_new_password_works_in_a_system_that_is_newer_than_recovery(box, home, fell_back):
    open_store(home.database, migrations=NEWER).close()
    if fell_back:
        open_store(home.database).close()
    told = []
    runner.run(box, "reset_password", {}, lambda step, percent: told.append(step))
    _name, password = told[-1].split()
    for migrations in [NEWER, MIGRATIONS] if fell_back else [NEWER]:
        store = open_store(home.database, migrations=migrations)
        assert password_fits(store.users.by_username("boss")["password_hash"], password)
        assert {(one["who"], one["what"]) for one in store.audit.list()} >= {("recovery", "password changed")}
        store.close()
    assert fell_back or not list(home.database.parent.glob("schema-*")), "no time of an older version begins"


def test_a_newer_database_with_other_accounts_is_left_as_it_is(box, home):
    open_store(home.database, migrations=[*NEWER, ("ALTER TABLE users RENAME TO people",)]).close()
    assert refusal(box, "reset_password") == "product_refused"


def test_recordings_are_copied_once_and_only_whole(box):
    runner.run(box, "copy_recordings", {}, quiet)
    copied = tree(box.stick / "zongji-recordings")
    assert copied == recordings(box)
    (box.stick / "zongji-recordings" / "2027" / "c1.wav").write_bytes(b"half")
    assert "copy 1 recordings" in str(runner.plan(box, "copy_recordings", {}))
    runner.run(box, "copy_recordings", {}, quiet)
    assert tree(box.stick / "zongji-recordings") == copied


def test_a_stick_that_is_full_missing_or_pulled_is_named(box, monkeypatch):
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    with monkeypatch.context() as patch:
        patch.setattr("recovery.actions.copy_recordings.shutil.disk_usage", lambda _: usage(10, 10, 0))
        assert refusal(box, "copy_recordings") == "stick_small"
    with monkeypatch.context() as patch:

        def gone(descriptor):
            raise OSError(5, "Input/output error")

        patch.setattr("recovery.actions.copy_recordings.os.fsync", gone)
        assert refusal(box, "copy_recordings") == "stick_gone"
    assert not list(box.stick.rglob("*.wav"))
    box.stick = None
    assert refusal(box, "copy_recordings") == "no_stick"


def test_diagnosis_names_what_is_wrong_and_changes_nothing(box):
    box.slot("B").write_bytes(box.slot("B").read_bytes()[: 5 << 20])
    before = tree(box.data), tree(box.config)
    runner.run(box, "diagnose", {}, quiet)
    report = json.loads((box.stick / "recovery-diagnosis.json").read_text())
    assert report["serial"] == SERIAL
    assert "readable" in report["system rootfs-a"] and "cut short" in report["system rootfs-b"]
    assert (tree(box.data), tree(box.config)) == before


def test_diagnosis_names_the_hardware_watchdog_or_tells_that_there_is_none(box, tmp_path, monkeypatch):
    places = Places(tmp_path / "root")
    monkeypatch.setattr("recovery.actions.diagnose.Places", lambda: places)
    runner.run(box, "diagnose", {}, quiet)
    report = json.loads((box.stick / "recovery-diagnosis.json").read_text())
    assert report["watchdog"].startswith("none")
    places.watchdog.mkdir(parents=True)
    (places.watchdog / "identity").write_text("iTCO_wdt\n")
    runner.run(box, "diagnose", {}, quiet)
    assert json.loads((box.stick / "recovery-diagnosis.json").read_text())["watchdog"] == "iTCO_wdt"


def test_the_support_bundle_lands_on_the_stick(box):
    runner.run(box, "support", {}, quiet)
    assert list(box.stick.glob("zongji-support-*.zip"))


def test_a_bundle_is_installed_by_rauc_into_the_slot_that_is_not_the_good_one(
    box, bundles, tmp_path, monkeypatch
):
    devices = tmp_path / "dev-zongji"
    monkeypatch.setattr("recovery.actions.install.DEVICES", devices)
    monkeypatch.setattr("recovery.actions.install.CONSENT", tmp_path / "consent")
    assert refusal(box, "install") == "no_bundle"
    (box.stick / "new.raucb").write_bytes(bundles[0])
    runner.run(box, "install", {}, quiet)
    service, install, stop = box.ran[-3:]
    assert service[0] == "systemd-run" and service[-3:] == ("rauc", "service", "--override-boot-slot=A")
    assert install == ("rauc", "install", str(box.stick / "new.raucb")) and stop[:2] == ("systemctl", "stop")
    assert {path.name: path.readlink() for path in devices.iterdir()} == {
        "rootfs-a": box.slot("A"),
        "rootfs-b": box.slot("B"),
    }, "started from the stick the box's disk has no names yet"
    # RAUC itself takes these words in this order (a program of the same version as on the box).
    words = [*service[service.index("rauc") :], "--help"]
    assert subprocess.run(words, capture_output=True, text=True, timeout=20).returncode == 0
    assert bootstate.load(box.boot).order == ("B", "A")
    (box.stick / "other.raucb").write_bytes(bundles[1])
    assert refusal(box, "install") == "which_bundle"
    runner.run(box, "install", {"file": "other.raucb"}, quiet)


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1 :]


def unsigned(data, tmp_path):
    (tmp_path / "signed.raucb").write_bytes(data)
    parts = verity.layout(tmp_path / "signed.raucb")
    return data[: parts.payload + parts.tree]


REFUSED = {
    "truncated": (lambda data, maker, folder: data[: len(data) // 2], "bundle_truncated"),
    "empty": (lambda data, maker, folder: b"", "bundle_truncated"),
    "unsigned": (lambda data, maker, folder: unsigned(data, folder), "bundle_unsigned"),
    "one bit changed": (lambda data, maker, folder: flipped(data, len(data) // 2), "bundle_tampered"),
    "first bit changed": (lambda data, maker, folder: flipped(data, 100), "bundle_tampered"),
    "of somebody else": (
        lambda data, maker, folder: Maker(folder, "stranger").bundle(folder / "x.raucb").read_bytes(),
        "bundle_foreign",
    ),
    "signed out of time": (lambda data, maker, folder: out_of_time(maker, folder), "bundle_clock"),
    "other product": (
        lambda data, maker, folder: maker.bundle(folder / "x", compatible="toaster-amd64").read_bytes(),
        "wrong_product",
    ),
    "other hardware": (
        lambda data, maker, folder: maker.bundle(folder / "x", compatible="zongji-arm64").read_bytes(),
        "wrong_hardware",
    ),
    "larger than a system": (
        lambda data, maker, folder: maker.bundle(folder / "x", size=13 << 20).read_bytes(),
        "too_large",
    ),
}


def out_of_time(maker, folder):
    """Signed by somebody whom the box trusts, a day before his certificate begins."""
    late = Maker(folder, "late")
    late.valid(int(time.time()) + 86400, int(time.time()) + 2 * 86400)
    late.trusted_by(SimpleNamespace(folder=folder / "bin", says=lambda *_: None))
    return late.bundle(folder / "x.raucb").read_bytes()


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("by", ["the menu", "a stick", "the running system"])
def test_a_bundle_that_is_not_what_it_should_be_is_refused_by_its_name_and_nothing_is_written(
    box, slots, bundles, maker, tmp_path, monkeypatch, what, by
):
    """Neither system, nor the boot state, nor an order; and the bundle that is as it should be goes in."""
    own = Release("zongji", "amd64", "0.1.0", 1, "x")
    monkeypatch.setattr("recovery.versions.release.read", lambda _: own)
    change, code = REFUSED[what]
    (box.stick / "new.raucb").write_bytes(change(bundles[0], maker, tmp_path))
    if by == "the running system":
        (box.config / "order.json").write_text(json.dumps({"action": "install", "options": {}}))
        bootstate.order_recovery(box.boot)
    before = untouched(box)
    if by == "a stick":
        (box.stick / "recovery.json").write_text(json.dumps({"action": "install", "serial": SERIAL}))
        assert headless.run(box, quiet)["code"] == code
        assert code in (box.stick / "recovery-result.txt").read_text()
    elif by == "the menu":
        assert refusal(box, "install") == code
    else:
        with pytest.raises(Refused) as refused:
            runner.resume(box, quiet)
        assert refused.value.code == code
    assert untouched(box) == before and not slots["told"] and not bootstate.load(box.boot).recovery
    assert runner.pending(box) is None
    maker.trusted_by(Rauc(tmp_path / "bin"))
    (box.stick / "new.raucb").write_bytes(bundles[0])
    assert runner.run(box, "install", {}, quiet)["ok"] and slots["told"] == ["0.3.0"]


def untouched(box):
    """Both systems, and whatever counts of the boot state and of config."""
    state = bootstate.load(box.boot)
    slots = [box.slot(name).read_bytes() for name in bootstate.SLOTS]
    return *slots, state.order, state.a, state.b, set(tree(box.config)) - {"order.json"}


def test_how_far_the_look_at_a_bundle_is_is_told_before_writing_is(box, slots, maker):
    maker.bundle(box.stick / "new.raucb", size=4_000_000)
    told = []
    runner.run(box, "install", {}, lambda step, percent: told.append((step, percent)))
    checking = [percent for step, percent in told if step == "checking"]
    assert len(checking) == 4 and checking == sorted(checking) and checking[0] == 0
    assert [step for step, _ in told] == ["checking"] * 4 + ["writing"]


def test_a_bundle_that_goes_bad_after_a_power_cut_is_not_written_again(box, slots, bundles):
    written = cut_while_installing(box, lambda: runner.run(box, "install", {}, quiet))
    order = json.loads((box.config / "order.json").read_text())
    del order["of"]  # its beginning and end would tell it here, in so small a file
    (box.config / "order.json").write_text(json.dumps(order))
    (box.stick / "new.raucb").write_bytes(flipped(bundles[0], len(bundles[0]) // 2))
    with pytest.raises(Refused) as refused:
        runner.resume(box, quiet)
    assert refused.value.code == "bundle_tampered" and written == ["cut"]
    assert runner.pending(box)["action"] == "install", "it waits for the stick that is whole"
    (box.stick / "new.raucb").write_bytes(bundles[0])
    assert runner.resume(box, quiet)["ok"] and written == ["cut", bundles[0]]


OLD, NEW = "older than 0.4.0", "install new.raucb, version 0.3.0"


@pytest.mark.parametrize(
    ("versions", "confirmed", "said"),
    [
        (("0.2.0", "0.4.0"), (True, True), NEW),  # A is first: the box went back to it before
        (("0.4.0", "0.2.0"), (True, True), OLD),
        (("0.4.0", "0.2.0"), (False, True), NEW),  # 0.4.0 was on trial
        (("", "0.4.0"), (True, True), OLD),
        (("0.4.0", ""), (False, True), OLD),
        (("0.2.0", "0.4.0"), (False, False), OLD),
        (("0.3.0", "0.3.0-rc1"), (True, True), NEW),
        (("", ""), (True, True), NEW),
    ],
)
def test_going_back_needs_a_word_whatever_the_version_of_recovery(box, slots, versions, confirmed, said):
    slots["A"], slots["B"] = versions
    state = [bootstate.Slot(one, 0) for one in confirmed]
    bootstate.save(bootstate.State(9, ("A", "B"), *state), box.boot)
    if said is OLD:
        with pytest.raises(Refused, match=OLD) as refused:
            runner.run(box, "install", {"older": "yes"}, quiet)
        assert refused.value.code == "downgrade" and not slots["told"]
        assert "go back from version 0.4.0 to 0.3.0" in str(runner.plan(box, "install", {"older": True}))
    else:
        assert said in str(runner.plan(box, "install", {}))
    runner.run(box, "install", {"older": said is OLD}, quiet)
    assert slots["told"] == ["0.3.0"], "what the bundle itself asks for, with the version of recovery"
    assert not (box.stick.parent.parent / "consent").exists()


def test_without_a_system_that_can_be_read_recoverys_own_version_counts(box, slots, monkeypatch):
    slots["A"] = slots["B"] = ""
    own = Release("zongji", "amd64", "0.5.0", 1, "x")
    monkeypatch.setattr("recovery.versions.release.read", lambda _: own)
    assert refusal(box, "install") == "downgrade"


def test_on_a_box_that_fell_back_the_system_that_works_is_the_good_one(box, slots):
    """B, the newer one, is confirmed and first, and did not come up of late: A runs, and is kept."""
    slots["A"], slots["B"] = "0.1.0", "0.4.0"
    tries = bootstate.Slot(True, 3), bootstate.Slot(True, 0)
    bootstate.save(bootstate.State(9, ("B", "A"), *tries), box.boot)
    assert str(runner.plan(box, "install", {})).startswith("install")
    runner.run(box, "install", {}, quiet)
    (service,) = (words for words in box.ran if words[0] == "systemd-run")
    assert service[-1] == "--override-boot-slot=A"


@pytest.mark.parametrize("name", ["install", "reinstall"])
def test_a_recovery_that_does_not_know_what_it_is_writes_no_system(box, slots, monkeypatch, name):
    def damaged(places):
        raise NoRelease("damaged")

    monkeypatch.setattr("recovery.versions.release.read", damaged)
    before = untouched(box)
    assert refusal(box, name) == "system_damaged"
    assert untouched(box) == before


def test_an_order_that_is_cut_while_its_bundle_is_read_counts_as_not_begun(box, slots, bundles):
    """Nothing is written by then: the pages may take it back, and one that is refused is forgotten."""
    (box.config / "order.json").write_text(json.dumps({"action": "install", "options": {}}))
    bootstate.order_recovery(box.boot)
    before = untouched(box)
    with pytest.raises(PowerCut):
        runner.resume(box, cut_at_once)
    assert not bootstate.order_begun(box.config)
    assert untouched(box) == before
    (box.stick / "new.raucb").write_bytes(flipped(bundles[1], len(bundles[1]) // 2))
    with pytest.raises(Refused) as refused:
        runner.resume(box, quiet)
    assert refused.value.code == "bundle_tampered"
    assert runner.pending(box) is None and not bootstate.load(box.boot).recovery


def test_a_bundle_that_says_nothing_of_itself_is_refused(box, slots, tmp_path):
    (tmp_path / "bin" / "rauc").write_text("#!/bin/sh\necho '{}'\n")
    assert refusal(box, "install") == "bundle_unreadable"


def test_restart_lets_the_confirmed_systems_try_again(box):
    bootstate.save(
        bootstate.State(9, ("A", "B"), bootstate.Slot(True, 0), bootstate.Slot(False, 0), True), box.boot
    )
    runner.run(box, "restart", {}, quiet)
    state = bootstate.load(box.boot)
    assert (state.a.tries, state.b.tries, state.recovery) == (1, 0, False)
    assert ("systemctl", "--no-block", "reboot") in box.ran


def test_a_data_partition_that_cannot_be_read_is_made_anew_only_when_recordings_may_go(box):
    box.data = None
    before = box.disk.labels["data"].read_bytes()
    assert refusal(box, "factory_reset") == "no_data"
    assert refusal(box, "factory_reset", keep_recordings=True) == "no_data"
    assert box.disk.labels["data"].read_bytes() == before
    made = []
    box.run = lambda *command, **more: (made.append(command), (0, ""))[1]
    runner.run(box, "factory_reset", {"keep_recordings": False}, quiet)
    assert [command[-1] for command in made] == [str(box.disk.labels["data"])]
    assert sorted(path.name for path in box.config.iterdir()) == ["identity.json", "machine-id"]
    assert not bootstate.load(box.boot).recovery
    box.run = lambda *command, **more: (1, "I/O error")
    with pytest.raises(Refused, match="I/O error"):
        runner.run(box, "factory_reset", {"keep_recordings": False}, quiet)


def test_a_reset_that_was_cut_off_does_not_delete_recordings_that_were_to_stay(box):
    with pytest.raises(PowerCut):
        runner.run(box, "factory_reset", {"keep_recordings": True}, cut_at_once)
    made, box.data = [], None
    box.run = lambda *command, **more: (made.append(command), (0, ""))[1]
    with pytest.raises(Refused) as refused:
        runner.resume(box, quiet)
    assert refused.value.code == "no_data" and not made
    assert runner.pending(box), "it goes on when the partition can be read again"


def cut_at_once(step, percent):
    raise PowerCut


# -------------------------------------------------------------- somebody else's disk
def disk_image(path, sectors):
    head = bytearray(os.urandom(1 << 20) * (sectors >> 11))
    head[512:520] = b"EFI PART"
    head[544:552] = struct.pack("<Q", sectors - 1)
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(head)
    return bytes(head)


@pytest.fixture
def foreign(box, tmp_path):
    device = tmp_path / "sdb"
    device.write_bytes(b"family photos" * 1_000_000)
    disk = Disk(device, device.stat().st_size, "WD Blue", "WD-777")
    box.disks = (*box.disks, disk)
    return disk


def test_somebody_elses_disk_is_written_only_when_its_owner_names_it(box, foreign):
    content = disk_image(box.stick / "zongji.img.gz", 12 << 11)
    before = foreign.path.read_bytes()
    for word in ("", "sdb", "WD", "S999"):
        assert refusal(box, "write_image", disk_serial=word) == "disk_not_named"
    assert refusal(box, "write_image", disk_serial="S123") == "has_data", "a box keeps its data"
    assert foreign.path.read_bytes() == before
    runner.run(box, "write_image", {"disk_serial": "WD-777"}, quiet)
    assert foreign.path.read_bytes()[: len(content)] == content


def made(device, *command):
    """A file system as its own program makes it."""
    with device.open("r+b") as file:
        file.truncate(0)
        file.truncate(16 << 20)
    subprocess.run([*command, str(device)], check=True, capture_output=True)


MKFS = {
    "ext4": ("/usr/sbin/mkfs.ext4", "-q", "-L", "My \x1b[2JPhotos"),
    "vfat": ("/usr/sbin/mkfs.vfat", "-n", "PHOTOS"),
}


@pytest.mark.parametrize("kind", MKFS)
def test_a_disk_with_somebodys_data_is_erased_only_at_a_word_of_its_own(box, foreign, tmp_path, kind):
    disk_image(box.stick / "zongji.img.gz", 12 << 11)
    made(foreign.path, *MKFS[kind])
    before = foreign.path.read_bytes()
    wanted = {"disk_serial": "WD-777"}
    with pytest.raises(Refused) as refused:
        runner.run(box, "write_image", wanted, quiet)
    assert refused.value.code == "has_data" and f"sdb {kind} " in refused.value.text
    assert "photos" in refused.value.text.lower() and refused.value.text.isprintable()
    assert refusal(box, "write_image", **wanted, erase="yes") == "has_data"
    assert foreign.path.read_bytes() == before
    assert f"sdb {kind}" in str(runner.plan(box, "write_image", wanted | {"erase": True}))
    runner.run(box, "write_image", wanted | {"erase": True}, quiet)
    assert foreign.path.read_bytes()[512:520] == b"EFI PART"


def test_partitions_are_named_whatever_is_in_them(box, foreign, tmp_path):
    disk_image(box.stick / "zongji.img.gz", 12 << 11)
    parts = tuple(tmp_path / f"sdb{number}" for number in (1, 2))
    for part in parts:
        part.write_bytes(bytes(1 << 20))
    made(parts[0], *MKFS["vfat"])
    disk = Disk(foreign.path, foreign.size, "WD Blue", "WD-777", {"Windows": parts[0]}, parts)
    box.disks = (box.disk, disk)
    with pytest.raises(Refused, match="sdb1 Windows vfat PHOTOS; sdb2 no known file system") as refused:
        runner.plan(box, "write_image", {"disk_serial": "WD-777"})
    assert refused.value.code == "has_data"
    box.disks = (Disk(foreign.path, foreign.size, "WD Blue", "WD-777"),)
    assert "all that is on it" not in str(runner.plan(box, "write_image", {"disk_serial": "WD-777"}))
    for status, word in ((8, "more than one kind"), (4, "cannot be read")):
        box.run = lambda *command, status=status, **more: (status, "")
        with pytest.raises(Refused, match=word):
            runner.plan(box, "write_image", {"disk_serial": "WD-777"})


def test_a_disk_that_is_smaller_than_the_image_is_refused(box, foreign):
    disk_image(box.stick / "zongji.img.gz", 100 << 11)
    before = foreign.path.read_bytes()
    assert refusal(box, "write_image", disk_serial="WD-777") == "too_small"
    (box.stick / "zongji.img.gz").write_bytes(gzip.compress(bytes(5000)))
    assert refusal(box, "write_image", disk_serial="WD-777") == "not_an_image"
    assert foreign.path.read_bytes() == before


def test_an_image_that_was_cut_short_makes_no_box(box, foreign):
    content = disk_image(box.stick / "zongji.img.gz", 12 << 11)
    (box.stick / "zongji.img.gz").unlink()
    (box.stick / "zongji.img").write_bytes(content[: 5 << 20])
    with pytest.raises(Refused, match="cut short") as refused:
        runner.run(box, "write_image", {"disk_serial": "WD-777"}, quiet)
    assert refused.value.code == "not_an_image"
    assert foreign.path.read_bytes()[512:520] != b"EFI PART"


def test_the_boxs_own_disk_is_let_go_before_it_is_erased(box):
    disk_image(box.stick / "zongji.img.gz", 12 << 11)
    box.disk.path.write_bytes(bytes(64 << 20))
    folders = [str(box.boot.parent), str(box.config), str(box.data)]
    real, seen = box.run, []

    def busy(*command, **more):
        if command[0] == "lsblk":
            return 0, "\n".join(["", *folders, ""])
        if command[0] == "umount":
            seen.append(command[1])
            return (0, "") if answer else (32, "target is busy")
        return real(*command, **more)

    box.run, answer = busy, False
    wanted = {"disk_serial": "S123", "erase": True}
    with pytest.raises(Refused) as refused:
        runner.run(box, "write_image", wanted, quiet)
    assert refused.value.code == "disk_busy" and not any(box.disk.path.read_bytes())
    answer = True
    seen.clear()
    runner.run(box, "write_image", wanted, quiet)
    assert seen == folders and (box.boot, box.config, box.data) == (None, None, None)


def test_a_half_written_disk_is_no_box(box, foreign, monkeypatch):
    disk_image(box.stick / "zongji.img.gz", 12 << 11)
    real, seen = os.fsync, []

    def cut(descriptor):
        seen.append(descriptor)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return real(descriptor)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "fsync", cut)
        runner.run(box, "write_image", {"disk_serial": "WD-777"}, quiet)
    assert foreign.path.read_bytes()[512:520] != b"EFI PART"


# ------------------------------------------------------------------------ power cuts
class PowerCut(BaseException):
    """Nothing catches it."""


def count_and_cut(patch, at):
    seen = {"n": 0}

    def wrap(real):
        def act(*args, **more):
            seen["n"] += 1
            if seen["n"] == at:
                raise PowerCut
            return real(*args, **more)

        return act

    for name in ("replace", "unlink", "mkdir"):
        patch.setattr(Path, name, wrap(getattr(Path, name)))
    patch.setattr(shutil, "rmtree", wrap(shutil.rmtree))
    patch.setattr(os, "fsync", wrap(os.fsync))
    patch.setattr(os, "pwrite", wrap(os.pwrite))
    patch.setattr("recovery.copying.CHUNK", 1 << 20)
    return seen


def outcome(box, name):
    if name == "reinstall":
        return (
            system_of(box.slot("A")),
            system_of(box.slot("B")),
            recordings(box),
            set(tree(box.config)) - {"order.json"},
        )
    return (
        recordings(box),
        sorted(tree(box.data)),
        set(tree(box.config)) - {"order.json"},
        system_of(box.slot("A")),
    )


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("reinstall", {}),
        ("factory_reset", {"keep_recordings": True}),
        ("factory_reset", {"keep_recordings": False}),
    ],
)
def test_a_power_cut_at_any_write_is_made_good_by_the_next_start(box, tmp_path, monkeypatch, name, options):
    machine, saved = box.boot.parent, tmp_path / "saved"
    shutil.copytree(machine, saved)
    untouched = outcome(box, name)
    with monkeypatch.context() as patch:
        total = count_and_cut(patch, 0)
        runner.run(box, name, options, quiet)
    finished = outcome(box, name)
    assert finished != untouched and total["n"] > 10
    began = 0
    for at in range(1, total["n"] + 1):
        shutil.rmtree(machine)
        shutil.copytree(saved, machine)
        with monkeypatch.context() as patch, pytest.raises(PowerCut):
            count_and_cut(patch, at)
            runner.run(box, name, options, quiet)
        state, order = bootstate.load(box.boot), runner.pending(box)
        if order is None:
            assert outcome(box, name) in (untouched, finished), f"cut at write {at}"
            continue
        began += 1
        runner.resume(box, quiet)
        assert outcome(box, name) == finished, f"cut at write {at}, recovery ordered: {state.recovery}"
        after = bootstate.load(box.boot)
        assert not after.recovery and runner.pending(box) is None
        assert after.slot(after.order[0]).tries > 0
    assert began > 5


def test_a_half_written_system_is_never_started_by_the_boot_loader(box, monkeypatch):
    """The boot loader reads the boot state alone; the automatic retry tries confirmed systems."""
    monkeypatch.setattr("recovery.copying.CHUNK", 1 << 20)
    before, whole = system_of(box.slot("A")), system_of(box.system)
    half_written = 0
    for at in range(1, 10):
        told = []

        def cut(step, percent, told=told, at=at):
            told.append(step)
            if len(told) == at:
                raise PowerCut

        with pytest.raises(PowerCut):
            runner.run(box, "reinstall", {}, cut)
        half_written += system_of(box.slot("A")) not in (before, whole)
        state = bootstate.load(box.boot)
        assert state.recovery and state.a == bootstate.Slot(False, 0)
        assert not bootstate.retry(box.boot).a.tries, "nor does the automatic retry choose it"
        bootstate.order_recovery(box.boot)
        runner.resume(box, quiet)
        assert system_of(box.slot("A")) == whole
        squashfs(box.slot("A"), seed=1, device_bytes=12 << 20)
        bootstate.confirm("A", box.boot)
    assert half_written > 5


def test_a_restore_that_was_cut_off_is_finished(box, home, backup_on_stick):
    """The program is killed at the moments that it tells of; the next start does it to the end."""
    real = box.run
    for word in ("verifying", "unpacking", "migrating"):

        def cut(*command, word=word, **more):
            def tell(step, percent):
                if step == word:
                    raise PowerCut

            return real(*command, **(more | {"tell": tell}))

        box.run = cut
        try:
            runner.run(box, "restore", {}, quiet)
        except PowerCut:
            assert runner.pending(box)["action"] == "restore"
        box.run = real
        runner.resume(box, quiet)
        assert company(home) == "Blue Bay"
        assert runner.pending(box) is None


def swap(path, bundles):
    """Another stick with a file of the same name, size and time."""
    found, data = path.stat(), path.read_bytes()
    path.write_bytes(bundles[data == bundles[0]])
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def start_again(box):
    """The same stick is found anew, elsewhere."""
    box.plugged += 7
    elsewhere = box.stick.with_name("sdb1" if box.stick.name != "sdb1" else "sdc1")
    box.stick.rename(elsewhere)
    box.stick = elsewhere


def cut_while_installing(box, begin):
    """Power goes while RAUC writes what `begin` has begun; the bundles that it was to write since."""
    real, written = box.run, []

    def run(*command, **more):
        if command[:2] == ("rauc", "install"):
            if not written:
                written.append("cut")
                raise PowerCut
            written.append(Path(command[2]).read_bytes())
        return real(*command, **more)

    box.run = run
    with pytest.raises(PowerCut):
        begin()
    return written


@pytest.mark.parametrize("ordered", [False, True], ids=["by the menu", "by the running system"])
def test_after_a_power_cut_only_the_stick_that_it_began_with_is_gone_on_with(box, slots, bundles, ordered):
    def begin():
        if not ordered:
            runner.run(box, "install", {}, quiet)
        (box.config / "order.json").write_text(json.dumps({"action": "install", "options": {}}))
        bootstate.order_recovery(box.boot)
        runner.resume(box, quiet)

    written = cut_while_installing(box, begin)
    bundle = (box.stick / "new.raucb").read_bytes()
    start_again(box)
    swap(box.stick / "new.raucb", bundles)
    for _ in range(runner.MOST_BEGINNINGS):
        with pytest.raises(Changed):
            runner.resume(box, quiet)
    stick, box.stick = box.stick, None
    with pytest.raises(Refused):
        runner.resume(box, quiet)
    box.stick = stick
    assert written == ["cut"] and runner.pending(box)["action"] == "install"
    swap(box.stick / "new.raucb", bundles)
    start_again(box)
    assert runner.resume(box, quiet)["ok"] and written == ["cut", bundle]
    assert runner.pending(box) is None


def test_after_a_power_cut_no_newer_backup_is_restored_than_the_one_that_was_shown(
    box, home, backup_on_stick
):
    real = box.run

    def cut(*command, **more):
        raise PowerCut

    box.run = cut
    with pytest.raises(PowerCut):
        runner.run(box, "restore", {}, quiet)
    box.run = real
    start_again(box)
    newer = box.stick / backup_on_stick.name.replace("-20", "-21", 1)
    (box.stick / backup_on_stick.name).rename(box.stick / "kept")
    newer.write_bytes((box.stick / "kept").read_bytes())
    with pytest.raises(Changed):
        runner.resume(box, quiet)
    newer.unlink()
    (box.stick / "kept").rename(box.stick / backup_on_stick.name)
    assert runner.resume(box, quiet)["ok"] and company(home) == "Blue Bay"


def test_an_order_of_an_older_recovery_that_does_not_tell_its_contents_is_finished(box, slots, bundles):
    written = cut_while_installing(box, lambda: runner.run(box, "install", {}, quiet))
    order = json.loads((box.config / "order.json").read_text())
    del order["of"]
    (box.config / "order.json").write_text(json.dumps(order))
    swap(box.stick / "new.raucb", bundles)
    assert runner.resume(box, quiet)["ok"] and len(written) == 2


def test_an_order_of_the_running_system_is_carried_out(box, home):
    """As the system daemon leaves it: without a step."""
    order = {"action": "factory_reset", "serial": SERIAL, "options": {"keep_recordings": False}, "at": 1.0}
    (box.config / "order.json").write_text(json.dumps(order))
    bootstate.order_recovery(box.boot)
    assert runner.resume(box, quiet)["ok"]
    assert recordings(box) == {} and not bootstate.load(box.boot).recovery
    (box.config / "order.json").write_text(json.dumps({"action": "menu"}))
    bootstate.order_recovery(box.boot)
    assert runner.resume(box, quiet) is None and runner.pending(box) is None


def test_an_order_that_was_left_without_the_boot_state_is_stale(box):
    """A power cut after the running system wrote the file, or after the last step: weeks later it must not be
    carried out because somebody comes here for something else."""
    (box.config / "order.json").write_text(json.dumps({"action": "factory_reset", "options": {}}))
    before = tree(box.data)
    assert runner.resume(box, quiet) is None
    assert tree(box.data) == before and not (box.config / "order.json").exists()


def test_an_order_that_cannot_be_carried_out_does_not_hold_the_box_for_ever(box):
    (box.config / "order.json").write_text(json.dumps({"action": "restore", "options": {"file": "gone.zjb"}}))
    bootstate.order_recovery(box.boot)
    with pytest.raises(Refused):
        runner.resume(box, quiet)
    assert runner.pending(box) is None and not bootstate.load(box.boot).recovery


def test_without_config_the_order_is_noted_on_the_boot_partition(box, monkeypatch):
    real = runner.files.write_json

    def refuse(path, *rest, **more):
        if path.parent == box.config:
            raise OSError(30, "Read-only file system")
        return real(path, *rest, **more)

    monkeypatch.setattr(runner.files, "write_json", refuse)
    assert runner.run(box, "reinstall", {}, quiet)["ok"]
    assert system_of(box.slot("A")) == system_of(box.system)
