"""Backups on a share of the network, with a folder in place of what the system daemon mounts."""

import errno
import os
import sys

import pytest
from test_control_care import DAY_S, MORNING, finished, state

from appliance.client import CallFailed
from appliance.paths import Home
from appliance.services import apart, backup, backup_key, copies
from appliance.services.apart import Apart
from appliance.store import open_store

NAME = "//nas/backup/office/zongji"
PASSWORD = "a,b c"


class Daemon:
    """The system daemon with a server that has the shares of a folder."""

    def __init__(self, folder):
        self.there = True
        self.mount_point = folder
        self.calls = []
        self.refuses = None
        self.mounted = False

    def ask(self, method):
        return {}

    def status(self):
        return {}, ""

    def mount(self, name):
        return None

    def call(self, method, params, timeout_s=15.0):
        self.calls.append((method, params))
        if method == "share.close":
            self.mounted = False
            return {}
        assert method == "share.open" and not self.mounted
        if self.refuses:
            raise CallFailed(self.refuses, "no", {"params": {"detail": "STATUS_X"}})
        self.mounted = True
        return {"path": str(self.mount_point)}


@pytest.fixture
def daemon(tmp_path):
    folder = tmp_path / "mounted"
    folder.mkdir()
    return Daemon(folder)


@pytest.fixture
def shared(make_desk, store, daemon):
    """A box whose share is set, with its password."""
    wanted = {"server": "nas", "name": "backup", "folder": "office/zongji", "user": "keeper", "copy": True}
    for name, value in wanted.items():
        store.settings.set(f"share.{name}", value, "me")
    desk = make_desk()
    care = desk.control._care
    care._system = care._share._system = daemon
    care._clock = lambda: MORNING
    assert desk.request("share_password", client=7, password=PASSWORD)["result"] == {}
    return desk


@pytest.fixture
def here(shared, monkeypatch):
    """What is done on the share is done in this process, where a test can put its hands in."""

    def run(what, place, step=backup.quiet, **words):
        return apart.WORK[what](place, words, step)

    monkeypatch.setattr(shared.control._care._share._apart, "run", run)
    return shared


@pytest.fixture
def there(daemon):
    """Names of the files on the share."""
    folder = daemon.mount_point / "office" / "zongji"
    return lambda: sorted(path.name for path in folder.iterdir())


def problem(desk):
    return state(desk)["share"]["problem"]


def test_a_share_is_tried_and_nothing_is_left_there(shared, daemon, there, home):
    assert finished(shared, "share_try")["problem"] is None
    assert daemon.calls[0] == (
        "share.open",
        {"server": "nas", "name": "backup", "user": "keeper", "domain": "", "password": PASSWORD},
    )
    assert daemon.calls[-1][0] == "share.close" and there() == []
    share = state(shared)["share"]
    assert share["there"] and share["name"] == NAME and share["has_password"]
    assert share["tried"]["problem"] is None and share["tried"]["free"] > 0
    assert PASSWORD not in str(state(shared))
    assert home.share_password.stat().st_mode & 0o777 == 0o600


def test_a_password_is_not_handed_to_another_server(shared, daemon, store):
    store.settings.set("share.server", "elsewhere", "me")
    assert not state(shared)["share"]["has_password"]
    assert finished(shared, "share_try")["problem"]["code"] == "share_no_password"
    assert not [method for method, _ in daemon.calls if method == "share.open"]


def test_a_share_without_a_user_needs_no_password(shared, daemon, store):
    store.settings.set("share.user", "", "me")
    assert finished(shared, "share_try")["problem"] is None
    assert daemon.calls[0][1]["password"] == ""


def test_off_the_flashed_box_it_says_so(shared, daemon):
    daemon.there = False
    assert finished(shared, "share_try")["problem"]["code"] == "no_daemon"
    assert not state(shared)["share"]["there"]


@pytest.mark.parametrize("name", ["server", "name"])
def test_a_share_that_was_not_named_is_said(shared, store, name):
    store.settings.set(f"share.{name}", "", "me")
    assert finished(shared, "share_try")["problem"]["code"] in ("share_unset", "share_no_password")


def test_what_the_daemon_refuses_keeps_its_name(shared, daemon):
    daemon.refuses = "share_wrong_password"
    told = finished(shared, "share_try")["problem"]
    assert (told["code"], told["detail"]) == ("share_wrong_password", "STATUS_X")
    assert state(shared)["share"]["tried"]["problem"] == told


def test_the_daily_backup_is_copied_there_once_and_old_copies_of_this_box_go(
    shared, daemon, there, store, tmp_path
):
    store.settings.set("share.keep", 2, "me")
    other_home = Home(tmp_path / "other")
    other_home.create()
    open_store(other_home.database).close()
    foreign = backup.make(
        other_home, backup_key.load_or_make(other_home), now=MORNING - 9 * DAY_S, version="0", automatic=True
    )
    copies.copy(foreign.path, copies.Place("share", "x", daemon.mount_point, "office/zongji"))
    for day in range(4):
        shared.control._care._clock = lambda day=day: MORNING + day * DAY_S
        shared.pass_time(1000)
        assert state(shared)["backups"][0]["copies"] == [NAME]
    assert len([method for method, _ in daemon.calls if method == "share.open"]) == 4, "each once"
    newest = sorted(one["name"] for one in state(shared)["backups"])[-2:]
    assert there() == sorted([foreign.path.name, *newest])
    assert problem(shared) is None and not daemon.mounted


def test_the_share_gets_todays_backup_not_that_of_a_clock_that_was_ahead(shared, there):
    for now in (MORNING + 900 * DAY_S, MORNING):
        shared.control._care._clock = lambda now=now: now
        shared.pass_time(1000)
    assert state(shared)["backups"][0]["made_at"] == MORNING
    assert state(shared)["backups"][0]["name"] in there()


def test_a_copy_that_fails_is_told_and_tried_again_an_hour_later(shared, daemon, there):
    daemon.refuses = "share_unreachable"
    shared.pass_time(1000)
    assert problem(shared)["code"] == "share_unreachable"
    (found,) = [one for one in shared.request("checks")["result"]["findings"] if one["id"] == "backup_share"]
    assert found["since"] == MORNING and found["params"]["code"] == "share_unreachable"
    opened = len(daemon.calls)
    shared.pass_time(1000)
    assert len(daemon.calls) == opened, "not every five minutes: a wrong password would lock the user out"
    daemon.refuses = None
    shared.control._care._clock = lambda: MORNING + 3700
    shared.pass_time(400)
    assert problem(shared) is None and len(there()) == 1
    assert "backup_share" not in {one["id"] for one in shared.request("checks")["result"]["findings"]}


def test_a_copy_that_the_box_cannot_note_is_not_made_anew_every_five_minutes(
    here, shared, daemon, monkeypatch
):
    def full(path, where):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("appliance.services.copies.backup.note_copy", full)
    shared.pass_time(1000)
    assert problem(shared)["code"] == "disk"
    opened = len(daemon.calls)
    shared.pass_time(1000)
    assert len(daemon.calls) == opened


def test_a_file_from_a_share_never_takes_the_room_of_calls(here, shared, there, home, monkeypatch):
    assert finished(shared, "backup_make", share=True)["problem"] is None
    (name,) = there()
    monkeypatch.setattr("appliance.services.budget.room_bytes", lambda *_: 4000)
    job = finished(shared, "restore_prepare", name=name, share=True)
    assert job["problem"]["code"] == "no_space" and not list(home.uploads.iterdir())
    monkeypatch.setattr("appliance.services.copies._pour", lambda *_: pytest.fail("it was copied"))
    finished(shared, "restore_prepare", name=name, share=True)


def test_trying_a_mended_share_copies_what_is_due_at_once(shared, daemon, there):
    daemon.refuses = "share_wrong_password"
    shared.pass_time(1000)
    daemon.refuses = None
    assert finished(shared, "share_try")["problem"] is None
    shared.pass_time(400)
    assert problem(shared) is None and len(there()) == 1


def test_switched_off_nothing_is_copied_and_no_problem_is_told(shared, daemon, store):
    daemon.refuses = "share_unreachable"
    shared.pass_time(1000)
    store.settings.set("share.copy", False, "me")
    shared.pass_time(400)
    assert problem(shared) is None


def test_a_share_that_a_former_control_left_is_let_go_of(shared, daemon):
    daemon.mounted = True
    shared.pass_time(1000)
    assert not daemon.mounted and problem(shared) is None


def test_backups_there_are_listed_and_restored(shared, there, home):
    assert finished(shared, "backup_make", share=True)["problem"] is None
    (name,) = there()
    assert state(shared)["share"]["listed"] is None
    assert finished(shared, "share_look")["problem"] is None
    (row,) = state(shared)["share"]["listed"]
    assert row["name"] == name and row["own"] and row["size"] > 4000
    shared.request("backup_delete", name=name)
    job = finished(shared, "restore_prepare", name=name, share=True)
    assert job["problem"] is None and state(shared)["restore"]["source"] == name
    assert not list(home.uploads.iterdir())
    for wrong in ("../x.zjb", "none.zjb"):
        job = finished(shared, "restore_prepare", name=wrong, share=True)
        assert job["problem"]["code"] == "not_found"
    job = finished(shared, "restore_prepare", name=name, share=True, passphrase="wrong horse")
    assert job["problem"]["code"] == "no_passphrase" and not list(home.uploads.iterdir())


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "share_full"),
        (errno.EDQUOT, "share_full"),
        (errno.EACCES, "share_read_only"),
        (errno.EFBIG, "share_small_files"),
        (errno.EHOSTDOWN, "share_gone"),
        (errno.EIO, "share_gone"),
    ],
)
def test_what_fails_in_the_middle_is_named_and_let_go_of(
    here, shared, daemon, there, monkeypatch, number, code
):
    finished(shared, "backup_make")
    name = state(shared)["backups"][0]["name"]

    def fail(descriptor):
        raise OSError(number, "as the system says it")

    with monkeypatch.context() as patch:
        patch.setattr("appliance.services.copies.os.fsync", fail)
        assert finished(shared, "backup_copy", name=name, share=True)["problem"]["code"] == code
    assert there() == [] and not daemon.mounted
    assert finished(shared, "backup_copy", name=name, share=True)["problem"] is None
    assert there() == [name]


def test_half_a_copy_that_a_lost_connection_left_is_removed_by_the_next(
    here, shared, daemon, there, monkeypatch
):
    finished(shared, "backup_make")
    name = state(shared)["backups"][0]["name"]

    def gone(*_, **__):
        raise OSError(errno.EHOSTDOWN, "Host is down")

    with monkeypatch.context() as patch:
        patch.setattr("appliance.services.copies.os.fsync", gone)
        patch.setattr("appliance.services.copies.Path.unlink", gone)
        told = finished(shared, "backup_copy", name=name, share=True)["problem"]
    assert told["code"] == "share_gone"
    (half,) = there()
    assert half.endswith(".part")
    other = "zongji-20270101-030000.zjb.of-another-box.part"
    (daemon.mount_point / "office" / "zongji" / other).touch()
    finished(shared, "backup_copy", name=name, share=True)
    assert there() == sorted([name, other])


PROCESS = """
import signal, sys
from pathlib import Path
from appliance.services import apart, copies

def wait_for_ever(*_):
    half = Path(sys.argv[1] + ".half")
    half.write_text(str(os.getpid()))
    half.rename(sys.argv[1])
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    while True:
        signal.pause()

os = copies.os
{patch}
apart.main()
"""


@pytest.fixture
def process_that(tmp_path, monkeypatch):
    """process_that(patch) → what works on the share in a process with `patch` done in it. No time passes
    until it waits for ever (`number` is written), then all of it at once."""
    script, number = tmp_path / "process.py", tmp_path / "number"
    select = apart.select.select

    def looking(sources, into, beside, timeout_s):
        assert timeout_s == apart.QUIET_S
        while not number.exists():
            if found := select(sources, into, beside, 0.02)[0]:
                return found, [], []
        return select(sources, into, beside, 0)

    monkeypatch.setattr(apart.select, "select", looking)

    def make(patch):
        script.write_text(PROCESS.format(patch=patch))
        return Apart((sys.executable, str(script), str(number)))

    make.number = number
    return make


STUCK = {
    "written": "os.fsync = wait_for_ever",
    "read back": "copies._same = wait_for_ever",
    "looked at": "copies.shutil.disk_usage = wait_for_ever",
}


@pytest.mark.parametrize("when", STUCK)
def test_a_server_that_vanishes_in_the_middle_ends_the_copy_and_whoever_waits_for_it(
    shared, daemon, there, process_that, monkeypatch, when
):
    assert finished(shared, "backup_make")["problem"] is None
    name = state(shared)["backups"][0]["name"]
    with monkeypatch.context() as patch:
        patch.setattr(shared.control._care._share, "_apart", process_that(STUCK[when]))
        told = finished(shared, "backup_copy", name=name, share=True)["problem"]
    assert (told["code"], told["detail"]) == ("share_silent", "75")
    with pytest.raises(ProcessLookupError):
        os.kill(int(process_that.number.read_text()), 0)
    assert not daemon.mounted
    process_that.number.unlink()
    assert finished(shared, "backup_copy", name=name, share=True)["problem"] is None
    assert there() == [name], "what was left half is gone"


def test_a_server_that_vanishes_while_a_backup_is_fetched_leaves_no_half_of_it(
    shared, there, home, process_that, monkeypatch
):
    assert finished(shared, "backup_make", share=True)["problem"] is None
    (name,) = there()
    patch = "pour = copies._pour\ncopies._pour = lambda *words: (pour(*words), wait_for_ever())"
    monkeypatch.setattr(shared.control._care._share, "_apart", process_that(patch))
    assert finished(shared, "restore_prepare", name=name, share=True)["problem"]["code"] == "share_silent"
    assert process_that.number.exists() and not list(home.uploads.iterdir())


def test_the_daily_copy_to_a_server_that_vanishes_is_told_and_tried_again(
    shared, daemon, there, process_that, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(shared.control._care._share, "_apart", process_that(STUCK["written"]))
        shared.pass_time(1000)
    assert problem(shared)["code"] == "share_silent" and not daemon.mounted
    process_that.number.unlink()
    shared.control._care._clock = lambda: MORNING + 3700
    shared.pass_time(400)
    assert problem(shared) is None and len(there()) == 1


def test_a_share_that_goes_away_while_a_backup_is_looked_for_is_named(here, shared, monkeypatch):
    def gone(path):
        raise OSError(errno.EHOSTDOWN, "Host is down")

    monkeypatch.setattr("appliance.services.copies.Path.is_file", gone)
    assert finished(shared, "restore_prepare", name="x.zjb", share=True)["problem"]["code"] == "share_gone"


def test_what_goes_wrong_on_the_box_meanwhile_keeps_its_words(shared, process_that, monkeypatch):
    assert finished(shared, "backup_make")["problem"] is None
    name = state(shared)["backups"][0]["name"]
    patch = "def gone(*_):\n    raise FileNotFoundError(2, 'it was deleted')\ncopies.copy = gone"
    monkeypatch.setattr(shared.control._care._share, "_apart", process_that(patch))
    told = finished(shared, "backup_copy", name=name, share=True)["problem"]
    assert told["code"] == "failed" and "it was deleted" in told["text"]


def test_a_box_that_has_no_room_for_a_process_says_so(shared, daemon, monkeypatch):
    monkeypatch.setattr(shared.control._care._share, "_apart", Apart(("/none/such",)))
    assert finished(shared, "share_try")["problem"]["code"] == "failed"
    assert state(shared)["share"]["tried"]["problem"]["code"] == "failed" and not daemon.mounted


def test_a_name_that_leads_elsewhere_removes_nothing_there(shared, home, monkeypatch):
    monkeypatch.setattr(shared.control._care._share, "_apart", Apart(("/none/such",)))
    name = os.path.relpath(home.database, home.uploads)
    assert finished(shared, "restore_prepare", name=name, share=True)["problem"]["code"] == "failed"
    assert home.database.exists()


def test_a_process_that_dies_is_an_error_not_a_wait(shared, daemon, process_that, monkeypatch):
    working = process_that("os.fsync = lambda _: os._exit(3)")
    monkeypatch.setattr(shared.control._care._share, "_apart", working)
    assert finished(shared, "share_try")["problem"]["code"] == "failed"
    assert not daemon.mounted


def test_silence_is_measured_by_the_clock_and_from_the_last_byte_on(daemon):
    place = copies.Place("share", "//nas/x", daemon.mount_point)
    talks = 'import time\nprint(\'{"step": ["copying", 1, 9]}\', flush=True)\ntime.sleep(600)'
    told = []
    with pytest.raises(apart.Lost, match=r"//nas/x has not answered for 0\.5 s") as caught:
        Apart((sys.executable, "-c", talks), 0.5).run("probe", place, lambda *step: told.append(step))
    assert caught.value.code == "share_silent"
    assert told in ([], [("copying", 1, 9)]), "a slow machine may not have come so far"
