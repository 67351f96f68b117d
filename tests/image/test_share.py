"""Backups on a share of the network: a real Samba server, the kernel's client, the box's own page."""

import hashlib
import time

import pytest

from appliance.paths import Home
from appliance.services import backup, backup_key
from appliance.store import open_store
from image.box.share import OPEN_FILES
from tests.image.jobs import begin, done, ended
from tests.image.samba import ADDRESS, PASSWORD, USER, Samba
from tests.image.vm import PATIENCE_S

SHARE = {
    "share.server": ADDRESS,
    "share.name": "backup",
    "share.folder": "office/zongji",
    "share.user": USER,
    "share.domain": "",
    "share.keep": "30",
}
BOOT_ID = "cat /proc/sys/kernel/random/boot_id"


@pytest.fixture(scope="module")
def samba(tmp_path_factory):
    with Samba(tmp_path_factory.mktemp("samba")) as server:
        yield server


@pytest.fixture(scope="module")
def box(ready, samba, tmp_path_factory):
    with ready.resume(tmp_path_factory.mktemp("box"), neighbours=samba.network) as box:
        yield box


def tried(box, **other) -> str:
    """Save these settings and try the share: the code of what is wrong, "" when it works."""
    fields = {name.replace("__", "."): value for name, value in other.items()}
    job = done(box, "/admin/backups/share", **(SHARE | {"password": PASSWORD} | fields))
    assert job["what"] == "share_try"
    return job["problem"]["code"] if job["problem"] else ""


def foreign_backup(folder) -> backup.Backup:
    """One that another box has made."""
    home = Home(folder)
    home.create()
    open_store(home.database).close()
    return backup.make(home, backup_key.load_or_make(home), now=1.8e9, version="0.1.0", box="branch")


def test_backups_are_copied_to_a_share_listed_there_and_brought_back(box, samba, tmp_path):
    folder = samba.files / "office" / "zongji"
    assert tried(box) == ""
    assert folder.is_dir() and not list(folder.iterdir())
    assert box.control("backups")["share"]["tried"]["free"] > 0

    box.shell(
        "mkdir -p /data/zongji/recordings/2026/11/28 && head -c 3000000 /dev/urandom "
        "> /data/zongji/recordings/2026/11/28/kept.wav"
    )
    assert done(box, "/admin/backups/make", to="share", recordings="on")["problem"] is None
    (copy,) = folder.iterdir()
    on_box = box.shell(f"sha256sum /data/zongji/backups/{copy.name}").split()[0]
    assert hashlib.sha256(copy.read_bytes()).hexdigest() == on_box
    assert f"//{ADDRESS}/backup/office/zongji</div>" in box.pages.open("/admin/backups/")

    other = foreign_backup(tmp_path / "branch")
    (folder / other.path.name).write_bytes(other.path.read_bytes())
    assert done(box, "/admin/backups/share/look")["problem"] is None
    listed = box.control("backups")["share"]["listed"]
    assert {one["name"]: (one["own"], one["box"] == "branch") for one in listed} == {
        copy.name: (True, False),
        other.path.name: (False, True),
    }
    job = done(box, "/admin/backups/prepare", source=f"share:{other.path.name}")
    assert job["problem"]["code"] == "foreign_key"
    assert done(box, "/admin/backups/prepare", source=f"share:{copy.name}")["problem"] is None
    assert box.control("backups")["restore"]["step"] == "ready"

    assert box.shell("grep -c cifs /proc/mounts || true").strip() == "0"
    # The password is nowhere to be read.
    said = box.shell("journalctl --no-pager -b; cat /proc/mounts; dmesg", timeout_s=PATIENCE_S)
    assert "share" in said and PASSWORD not in said
    assert box.shell("stat -c '%a %U' /data/zongji/share-password.json").strip() == "600 zongji-control"


def test_what_is_wrong_with_a_share_is_named(box):
    assert tried(box) == ""
    assert tried(box, password="not it") == "share_wrong_password"
    assert tried(box, share__name="private") == "share_forbidden"
    assert tried(box, share__name="none") == "share_missing"
    assert tried(box, share__name="kept") == "share_read_only"
    assert tried(box, share__server="nas.invalid") == "share_name_unknown"
    assert tried(box, share__server="10.0.2.77") == "share_unreachable"
    assert tried(box, share__name="small") == ""
    assert done(box, "/admin/backups/make", to="share")["problem"]["code"] == "share_full"


def test_a_server_that_falls_silent_in_the_middle_ends_the_copy_with_a_name(box, samba):
    folder = samba.files / "silent"
    assert tried(box, share__folder="silent") == ""
    box.shell(
        "mkdir -p /data/zongji/recordings/2026/11/28 && head -c 16000000 /dev/urandom "
        "> /data/zongji/recordings/2026/11/28/long.wav"
    )
    starts = "systemctl show -P NRestarts zongji-engine zongji-control zongji-web zongji-system"
    before, start = box.shell(starts), box.shell(BOOT_ID)
    begin(box, "/admin/backups/make", to="share", recordings="on")
    until = time.monotonic() + PATIENCE_S
    while not any(half.stat().st_size for half in folder.glob("*.part")):
        assert time.monotonic() < until, "the copy was not begun"
        time.sleep(0.05)
    samba.falls_silent()
    try:
        assert ended(box)["problem"]["code"] in ("share_silent", "share_gone")
    finally:
        samba.answers_again()
    assert not list(folder.glob("*.zjb")), "nothing there looks like a whole backup"
    box.shell(f"while grep -q ^0x {OPEN_FILES}; do sleep 0.2; done")
    assert box.shell(BOOT_ID) == start and box.shell(starts) == before
    # Once it answers the copy is made, and what was left half is gone.
    name = box.control("backups")["backups"][0]["name"]
    assert done(box, f"/admin/backups/{name}/copy", to="share")["problem"] is None
    assert [one.name for one in folder.iterdir()] == [name]
    assert box.shell("grep -c cifs /proc/mounts || true").strip() == "0"
    assert box.shell(BOOT_ID) == start, "the kernel has not panicked"
