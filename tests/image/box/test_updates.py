"""Updates: what is refused and why, that calls are waited for, and what is told after the reboot."""

import errno
import http.server
import os
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest

from image.box import files
from image.box.problem import Problem
from image.box.release import Release
from image.box.system.updates import Updates
from image.box.update import bundle, fault, history, job, rules, sources, verity
from image.box.update.job import Job, Ways

from .bundles import Maker

PROGRESS = "installing\n  0% Installing\n 40% Checking bundle done.\n100% Installing done.\n"
HERE = Release("zongji", "amd64", "0.2.0", 7, "abc")


@pytest.fixture(scope="module")
def maker(tmp_path_factory):
    return Maker(tmp_path_factory.mktemp("maker"), "maker")


@pytest.fixture(scope="module")
def good(maker, tmp_path_factory):
    return maker.bundle(tmp_path_factory.mktemp("bundles") / "zongji-0.3.0.raucb").read_bytes()


class Box:
    """The ways of a box in a test: calls as the test has them, reboots counted."""

    def __init__(self):
        self.calls = []
        self.reboots = 0
        self.spoilt = False
        self.next_slot = "A"
        self.ways = Ways(
            calls=self._calls,
            slot_bytes=lambda: 400_000_000,
            reboot=self._reboot,
            running_slot=lambda: "A",
            next_slot=lambda: self.next_slot,
            spoilt=lambda: self.spoilt,
        )

    def _calls(self):
        return self.calls.pop(0) if self.calls else 0

    def _reboot(self):
        self.reboots += 1


@pytest.fixture
def box(monkeypatch):
    monkeypatch.setattr(job, "POLL_S", 0.0)
    return Box()


@pytest.fixture
def bring(places, programs, maker, good):
    """Put a bundle into the updates folder; returns its source."""
    maker.trusted_by(programs, PROGRESS)

    def put(data=good, name="zongji-0.3.0.raucb"):
        (places.updates / name).write_bytes(data)
        return {"kind": "upload", "name": name}

    return put


def install(places, box, source, **more):
    made = Job(places, HERE, box.ways, "j1", source, **more)
    made.run()
    return made.state


def written(programs):
    return [call for call in programs.calls if call.startswith("rauc install")]


def test_an_update_from_beginning_to_reboot(places, programs, box, bring):
    state = install(places, box, bring())
    assert (state["state"], state["version"], state["percent"], state["problem"]) == (
        "rebooting",
        "0.3.0",
        100,
        None,
    )
    assert written(programs) == [f"rauc install {places.updates}/zongji-0.3.0.raucb"]
    assert box.reboots == 1
    assert not list(places.updates.iterdir()), "a bundle that was written takes no room any more"
    assert [one["outcome"] for one in history.entries(places)] == ["installed"]
    pending = history.pending(places)
    assert (pending["version"], pending["from"], pending["slot"]) == ("0.3.0", "0.2.0", "B")
    assert pending["written"] is True, "a box that does not come back on it has fallen back"


def truncated(data):
    return data[: len(data) // 2]


def flipped(data, at):
    made = bytearray(data)
    made[at] ^= 0x40
    return bytes(made)


HOSTILE = {
    "truncated": (truncated, "bundle_truncated"),
    "empty": (lambda data: b"", "bundle_truncated"),
    "nothing of the kind": (lambda data: bytes(range(256)) * 4096, "bundle_truncated"),
    "signature alone": (lambda data: data[-4096:], "bundle_truncated"),
    "without its signature": (
        lambda data: data[: -(8 + int.from_bytes(data[-8:], "big"))],
        "bundle_unsigned",
    ),
    "payload alone": (lambda data: data[: int.from_bytes(data[40:48], "little")], "bundle_unsigned"),
    "signature of zeros": (
        lambda data: (
            data[: -(8 + int.from_bytes(data[-8:], "big"))]
            + bytes(int.from_bytes(data[-8:], "big"))
            + data[-8:]
        ),
        "bundle_unsigned",
    ),
    "middle cut out": (lambda data: data[:8192] + data[16384:], "bundle_tampered"),
    "one bit of the content": (lambda data: flipped(data, 300_000), "bundle_tampered"),
    "one bit of the first block": (lambda data: flipped(data, 100), "bundle_tampered"),
    "one bit of the hashes": (lambda data: flipped(data, 1_010_000), "bundle_tampered"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_damaged_or_changed_bundle_is_refused_and_nothing_is_written(
    places, programs, box, bring, good, what
):
    change, code = HOSTILE[what]
    data = change(good)
    state = install(places, box, bring(data), now=True)
    assert (state["state"], state["problem"]["code"]) == ("failed", code)
    assert state["problem"]["message"]
    assert not written(programs) and box.reboots == 0
    assert history.entries(places)[0]["problem"]["code"] == code and history.pending(places) is None


def test_a_bundle_of_somebody_else_is_refused(places, programs, box, bring, tmp_path):
    foreign = Maker(tmp_path, "stranger").bundle(tmp_path / "x.raucb").read_bytes()
    state = install(places, box, bring(foreign), now=True, downgrade_consent=True)
    assert state["problem"]["code"] == "bundle_foreign" and not written(programs)


def test_the_time_that_counts_is_the_signers_whatever_the_clock_says(places, programs, box, bring, tmp_path):
    maker = Maker(tmp_path, "timed")
    now = int(time.time())
    maker.valid(now - 1, now + 3)
    maker.trusted_by(programs, PROGRESS)
    data = maker.bundle(tmp_path / "x.raucb").read_bytes()
    time.sleep(max(0.0, now + 4.1 - time.time()))
    # What is past its time, or not there yet by a clock of 1970, was signed in time all the same.
    assert install(places, box, bring(data), now=True)["state"] == "rebooting"
    for begin, end in ((now + 86400, now + 2 * 86400), (now - 2 * 86400, now - 86400)):
        maker.valid(begin, end)
        state = install(places, box, bring(maker.bundle(tmp_path / "x.raucb").read_bytes()), now=True)
        assert state["problem"]["code"] == "bundle_clock", state
    assert box.reboots == 1


@pytest.mark.parametrize(
    ("version", "compatible", "consent", "code"),
    [
        ("0.3.0", "zongji-arm64", True, "wrong_hardware"),
        ("0.3.0", "coffee-amd64", True, "wrong_product"),
        ("0.1.9", "zongji-amd64", False, "downgrade"),
        ("0.2.0-rc1", "zongji-amd64", False, "downgrade"),
        ("0.1.9", "zongji-amd64", True, None),
        ("0.2.0", "zongji-amd64", False, None),
        ("0.10.0", "zongji-amd64", False, None),
    ],
)
def test_product_hardware_and_version(
    places, programs, box, bring, maker, tmp_path, version, compatible, consent, code
):
    data = maker.bundle(tmp_path / "x.raucb", version, compatible, 20_000).read_bytes()
    state = install(places, box, bring(data), downgrade_consent=consent)
    assert (state["problem"] or {}).get("code") == code
    assert bool(written(programs)) == (code is None)


def test_too_large(places, programs, box, bring, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(rules, "MAX_BUNDLE_BYTES", 900_000)
        assert install(places, box, bring())["problem"]["code"] == "too_large"
    small = replace(box.ways, slot_bytes=lambda: 999_999)
    box.ways = small
    assert install(places, box, bring())["problem"]["code"] == "too_large"
    assert not written(programs)


def test_calls_are_waited_for_before_and_after(places, programs, box, bring):
    seen = []
    counts = iter([2, 1, 0, 1, 0])

    def calls():
        seen.append(len(written(programs)))
        return next(counts)

    box.ways = replace(box.ways, calls=calls)
    assert install(places, box, bring())["state"] == "rebooting"
    assert seen == [0, 0, 0, 1, 1] and box.reboots == 1


def test_now_waits_for_nobody(places, programs, box, bring):
    box.calls = [5] * 100
    assert install(places, box, bring(), now=True)["state"] == "rebooting"


def test_cancelled_while_it_waits(places, programs, box, bring):
    made = Job(places, HERE, box.ways, "j1", bring())

    def calls():
        made.cancel()
        return 1

    made.ways = replace(box.ways, calls=calls)
    made.run()
    assert made.state["state"] == "cancelled" and not written(programs)
    with pytest.raises(Problem):
        made.cancel()


def test_a_failing_installation_names_its_reason_and_expects_nothing(places, programs, box, bring, maker):
    source = bring()
    maker.trusted_by(
        programs, " 20% Copying\nLastError: Failed to write: No space left on device\nInstalling failed\n", 1
    )
    state = install(places, box, source)
    assert state["problem"]["code"] == "install_failed"
    assert "nothing was changed" in state["problem"]["message"]
    assert history.pending(places) is None and box.reboots == 0
    box.spoilt = True
    state = install(places, box, source)
    assert state["problem"]["code"] == "write_failed", "the older version is gone"
    assert "nothing was changed" not in state["problem"]["message"]


@pytest.mark.parametrize(("next_slot", "end"), [("B", "rebooting"), ("A", "failed")])
def test_what_raucs_service_writes_counts_when_its_client_was_killed(
    places, programs, box, bring, next_slot, end
):
    source = bring()
    program = programs.folder / "rauc"
    program.write_text(program.read_text().replace("exit 0", "kill -TERM $$"))
    programs.says("busctl", 's "idle"')
    box.next_slot, box.spoilt = next_slot, True
    state = install(places, box, source)
    assert state["state"] == end
    if end == "failed":
        assert state["problem"]["code"] == "interrupted_writing" and history.pending(places) is None
    else:
        assert outcomes(places) == ["installed"] and history.pending(places)["written"]


def test_what_the_bundles_own_check_refuses_is_named(places, programs, box, bring, maker):
    source = bring()
    words = "LastError: Bundle rejected: Hook returned: no_slot: /dev/zongji/rootfs-b is missing"
    maker.trusted_by(programs, f"{words}\nInstalling `x` failed\n", 1)
    problem = install(places, box, source)["problem"]
    assert (problem["code"], problem["message"]) == ("no_slot", "/dev/zongji/rootfs-b is missing")


def test_the_bundles_own_check_hears_of_the_consent(places, programs, box, bring, maker, tmp_path):
    data = maker.bundle(tmp_path / "x.raucb", "0.1.9", size=20_000).read_bytes()
    source = bring(data)
    program = programs.folder / "rauc"
    seen = tmp_path / "seen"
    program.write_text(
        program.read_text().replace("exit 0", f'cp "{places.run}/downgrade-consent" "{seen}"\nexit 0')
    )
    assert install(places, box, source, downgrade_consent=True)["problem"] is None
    assert seen.read_text() == "0.1.9" and not (places.run / "downgrade-consent").exists()


# --------------------------------------------------------------------- sources
def stick(places, data, name="zongji-0.3.0.raucb"):
    folder = places.sticks / "STICK-sdb1"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    return {"kind": "usb", "stick": "STICK-sdb1", "name": name}


def test_from_a_stick(places, programs, box, bring, good):
    bring()
    state = install(places, box, stick(places, good))
    assert state["state"] == "rebooting"
    assert written(programs) == [f"rauc install {places.updates}/{sources.FETCHED}"]


def test_a_stick_that_is_pulled_while_it_is_copied_is_named(places, programs, box, bring, good, monkeypatch):
    bring()
    source = stick(places, good)
    monkeypatch.setattr(sources, "CHUNK", 65536)

    def pull(done, size):
        if done > 200_000:
            raise OSError(5, "Input/output error")

    with pytest.raises(Problem) as told:
        sources.bring(places, source, pull)
    assert told.value.code == "stick_pulled"
    assert not list(places.updates.glob("*fetched*")), "no half a file is left"
    (places.sticks / "STICK-sdb1" / source["name"]).unlink()
    (places.sticks / "STICK-sdb1").rmdir()
    assert install(places, box, source)["problem"]["code"] == "stick_gone"


def test_no_room_on_the_data_partition(places, box, bring, good, monkeypatch):
    monkeypatch.setattr(rules, "SPARE_BYTES", 1 << 60)
    state = install(places, box, stick(places, good))
    assert state["problem"]["code"] == "no_space" and state["problem"]["params"]["free"] > 0


class Web(http.server.BaseHTTPRequestHandler):
    answers: ClassVar[dict[str, tuple[int, bytes, int]]] = {}

    raw: ClassVar[dict[str, bytes]] = {}
    """Whole answers, as they go over the wire."""

    def do_GET(self):
        if self.path in self.raw:
            self.wfile.write(self.raw[self.path])
            self.close_connection = True
            return
        status, body, length = self.answers[self.path]
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def web(good):
    Web.answers = {
        "/good": (200, good, len(good)),
        "/short": (200, good[:5000], len(good)),
        "/gone": (404, b"", 0),
        "/huge": (200, b"", 10_000_000_000),
    }
    pieces = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    Web.raw = {
        "/pieces": pieces + b"%x\r\n%s\r\n0\r\n\r\n" % (len(good), good),
        "/pieces-cut": pieces + b"%x\r\n%s" % (len(good), good[:5000]),
        "/pieces-broken": pieces + b"1000\r\n" + good[:4096] + b"\r\nwhat\r\n",
        "/babble": b"220 mail.example.com ready\r\n",
        "/nothing": b"",
    }
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/good", None),
        ("/pieces", None),
        ("/short", "download_failed"),
        ("/gone", "download_failed"),
        ("/huge", "too_large"),
    ],
)
def test_from_an_address(places, programs, box, bring, web, path, code):
    bring()
    state = install(places, box, {"kind": "url", "url": web + path})
    assert (state["problem"] or {}).get("code") == code
    assert bool(written(programs)) == (code is None)


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/short", "cut"),
        ("/pieces-cut", "cut"),
        ("/pieces-broken", "cut"),
        ("/nothing", "cut"),
        ("/babble", "answer"),
    ],
)
def test_an_answer_that_is_broken_says_in_which_way(places, programs, box, bring, web, path, why):
    bring()
    problem = install(places, box, {"kind": "url", "url": web + path})["problem"]
    assert (problem["code"], problem["params"]["why"]) == ("download_failed", why)
    assert problem["params"]["detail"] and not written(programs)


@pytest.fixture
def failing(monkeypatch):
    """failing(number) -> what is written to the updates folder from now on fails with this error."""
    real = Path.open

    def fail(number):
        def write(_):
            raise OSError(number, os.strerror(number))

        def opened(path, mode="r", *more, **named):
            file = real(path, mode, *more, **named)
            if mode == "xb" and path.suffix == ".part":
                file.write = write
            return file

        monkeypatch.setattr(Path, "open", opened)

    return fail


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "no_space"),
        (errno.EDQUOT, "no_space"),
        (errno.EIO, "disk_failed"),
        (errno.EROFS, "disk_failed"),
    ],
)
@pytest.mark.parametrize("kind", ["usb", "url"])
def test_an_error_of_the_boxs_own_disk_is_not_the_sources(
    places, box, bring, good, web, failing, kind, number, code
):
    bring()
    source = stick(places, good) if kind == "usb" else {"kind": "url", "url": f"{web}/good"}
    failing(number)
    assert install(places, box, source)["problem"]["code"] == code
    assert not list(places.updates.glob("*fetched*"))


def test_an_updates_folder_that_takes_no_file_is_named(places, box, good, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", refuse)
    problem = install(places, box, stick(places, good))["problem"]
    assert (problem["code"], problem["params"]["detail"]) == ("disk_failed", "Read-only file system")


# ------------------------------------------------------------- what was fetched does not stay
def test_a_fetched_bundle_that_is_refused_is_deleted_and_an_upload_is_not(places, programs, box, bring, good):
    source = bring(flipped(good, 300_000))
    assert install(places, box, source)["problem"]["code"] == "bundle_tampered"
    assert install(places, box, stick(places, flipped(good, 300_000)))["problem"]["code"] == "bundle_tampered"
    assert [path.name for path in places.updates.iterdir()] == [source["name"]]


def test_a_fetched_bundle_that_could_not_be_installed_is_deleted(places, programs, box, bring, maker, good):
    bring()
    maker.trusted_by(programs, "LastError: Failed to write\nInstalling failed\n", 1)
    assert install(places, box, stick(places, good))["problem"]["code"] == "install_failed"
    assert [path.name for path in places.updates.iterdir()] == ["zongji-0.3.0.raucb"]


def test_a_fetched_bundle_is_deleted_when_it_is_cancelled(places, box, bring, good):
    bring()
    made = Job(places, HERE, box.ways, "j1", stick(places, good))

    def calls():
        assert (places.updates / sources.FETCHED).is_file()
        made.cancel()
        return 1

    made.ways = replace(box.ways, calls=calls)
    made.run()
    assert made.state["state"] == "cancelled"
    assert [path.name for path in places.updates.iterdir()] == ["zongji-0.3.0.raucb"]


def test_what_was_fetched_before_takes_no_room_from_the_next(places, box, bring, good, monkeypatch):
    bring()
    old = places.updates / sources.FETCHED
    old.write_bytes(good)
    need = len(good) + rules.SPARE_BYTES

    def usage(_):
        return SimpleNamespace(free=need - 1 if old.exists() else need)

    monkeypatch.setattr(sources.shutil, "disk_usage", usage)
    assert install(places, box, stick(places, good))["state"] == "rebooting"


def test_what_was_fetched_before_a_power_cut_is_deleted_and_is_no_upload(places, box, bring):
    bring()
    for name in (sources.FETCHED, ".fetched.part"):
        (places.updates / name).write_bytes(b"x")
    updates = Updates(places, box.ways)
    assert [one["name"] for one in updates.status({})["uploads"]] == ["zongji-0.3.0.raucb"]
    updates.start()
    assert [path.name for path in places.updates.iterdir()] == ["zongji-0.3.0.raucb"]


# --------------------------------------------------------------------- how far it is
def test_bytes_calls_and_whether_it_may_be_cancelled_are_told(
    places, programs, box, bring, good, monkeypatch
):
    bring()
    monkeypatch.setattr(sources, "CHUNK", 65536)
    seen = []
    real = Job._tell

    def tell(self, **changes):
        real(self, **changes)
        seen.append(self.state)

    monkeypatch.setattr(Job, "_tell", tell)
    box.calls = [2, 1, 0, 3]
    assert install(places, box, stick(places, good))["state"] == "rebooting"
    fetched = [one for one in seen if one["state"] == "fetching" and one["done"]]
    assert fetched[0]["done"] == 65536 and fetched[-1]["done"] == len(good)
    assert {one["size"] for one in fetched} == {len(good)}
    waited = [(one["state"], one["calls"]) for one in seen if one["calls"]]
    assert waited == [("waiting_calls", 2), ("waiting_calls", 1), ("waiting_reboot", 3)]
    may = {one["state"]: one["may_cancel"] for one in seen}
    assert [state for state, so in may.items() if so] == list(job.MAY_CANCEL)
    assert may["installing"] is False and seen[-1]["calls"] == 0


@pytest.mark.parametrize(
    "source",
    [
        None,
        {},
        {"kind": "file", "name": "/etc/shadow"},
        {"kind": "upload", "name": "../../etc/passwd.raucb"},
        {"kind": "upload", "name": ".hidden.raucb"},
        {"kind": "upload", "name": "a\nb.raucb"},
        {"kind": "upload", "name": "-x.raucb"},
        {"kind": "upload", "name": "x.txt"},
        {"kind": "usb", "name": "x.raucb", "stick": "../../data"},
        {"kind": "usb", "name": "x.raucb", "stick": ".."},
        {"kind": "usb", "name": "x.raucb"},
        {"kind": "url", "url": "file:///etc/shadow"},
        {"kind": "url", "url": "ftp://x/y.raucb"},
        {"kind": "url", "url": "https://"},
        {"kind": "url", "url": "http://[x/y.raucb"},
        {"kind": "url", "url": "http://me:secret@x/y.raucb"},
        {"kind": "url", "url": "http://@x/y.raucb"},
        {"kind": "url", "url": "http://x/y 1.raucb?token=secret"},
        {"kind": "url", "url": "http://x/y\n.raucb?token=secret"},
        {"kind": "url", "url": 5},
    ],
)
def test_hostile_sources(source):
    with pytest.raises(Problem) as told:
        sources.check(source)
    assert "secret" not in str(told.value.as_dict())


def test_a_link_in_the_updates_folder_leads_nowhere(places, box, bring, tmp_path, good):
    (tmp_path / "secret.raucb").write_bytes(good)
    (places.updates / "x.raucb").symlink_to(tmp_path / "secret.raucb")
    assert install(places, box, {"kind": "upload", "name": "x.raucb"})["problem"]["code"] == "no_file"


# ------------------------------------------------------- verity, by the kernel's own tool's layout
@pytest.mark.parametrize("size", [4096, 500_000, 524_288, 1_200_000])
def test_the_hash_tree_is_the_one_that_rauc_made(maker, tmp_path, size):
    path = maker.bundle(tmp_path / "x.raucb", size=size)
    verity.check(path)
    assert bundle.Bundle  # signature and manifest are RAUC's matter


# -------------------------------------------------------------- after the reboot
def expected(places, written=True):
    history.expect(places, "0.3.0", "0.2.0", "B", written)


def outcomes(places):
    return [one["outcome"] for one in history.entries(places)]


def test_a_version_that_gets_healthy_is_confirmed(places):
    expected(places)
    history.settle(places, "B", False, True, False)
    assert outcomes(places) == [] and history.pending(places), "on trial"
    history.settle(places, "B", True, True, False)
    history.settle(places, "B", True, True, False)
    assert outcomes(places) == ["confirmed"] and history.pending(places) is None


def test_before_the_reboot_the_old_slot_is_no_fall_back(places):
    expected(places)
    history.settle(places, "A", True, False, False)
    assert outcomes(places) == []


def test_a_fall_back_tells_version_reason_and_log(places):
    expected(places)
    files.write_json(
        places.run / "boot.json",
        {
            "fell_back": True,
            "failed_slot": "B",
            "failed_version": "0.3.0",
            "reason": "zongji-engine is failed",
            "log": ["l1", "l2"],
        },
    )
    history.settle(places, "A", True, True, False)
    found = history.fell_back(places)
    assert (found["version"], found["reason"], found["log"]) == (
        "0.3.0",
        "zongji-engine is failed",
        ["l1", "l2"],
    )
    assert outcomes(places) == ["fell_back"] and history.pending(places) is None
    history.acknowledge(places)
    assert history.fell_back(places) is None


def start(places, slot="A", **told):
    """The box starts once more, and the daemon looks twice."""
    (places.run / "fall-back-heard").unlink(missing_ok=True)
    started = {"slot": slot, "fell_back": False, **told}
    files.write_json(places.run / "boot.json", started)
    files.append_json(places.system / "boot-history.jsonl", started)
    for _ in range(2):
        history.settle(places, slot, True, True, False)


LEFT = {
    "fell_back": True,
    "failed_slot": "B",
    "failed_version": "0.3.0",
    "reason": "no memory",
    "log": ["l1"],
}


def test_a_confirmed_version_that_is_left_later_is_told_once(places):
    start(places, "B", at=1.0)
    assert history.fell_back(places) is None
    start(places, at=2.0, **LEFT)
    found = history.fell_back(places)
    assert (found["version"], found["reason"], found["log"]) == ("0.3.0", "no memory", ["l1"])
    history.acknowledge(places)
    for at in (3.0, 4.0):  # B stays first in the order and has no tries
        start(places, at=at, **LEFT)
        assert history.fell_back(places) is None, "it was read"
    (places.system / "boot-history.jsonl").unlink()
    start(places, at=5.0, **LEFT)
    assert history.fell_back(places) is None, "its start is too long ago to be in the history"
    assert outcomes(places) == ["fell_back"]
    start(places, "B", at=6.0)
    start(places, at=7.0, **LEFT)
    assert history.fell_back(places)["version"] == "0.3.0", "it was tried again, and left again"
    history.acknowledge(places)
    start(places, at=8.0, **LEFT | {"failed_version": None, "reason": None, "log": None})
    assert (history.fell_back(places)["version"], history.fell_back(places)["reason"]) == (
        "?",
        "never_started",
    )


def test_a_version_that_is_not_first_because_the_boot_state_was_lost_has_not_failed_yet(places):
    lost = LEFT | {"reason": "boot_state_lost", "log": []}
    start(places, "B", at=1.0)
    start(places, at=2.0, **lost)
    assert history.fell_back(places)["reason"] == "boot_state_lost" and outcomes(places) == []
    start(places, "B", at=3.0)
    assert history.fell_back(places) is None, "it runs again"
    start(places, at=4.0, **lost)
    history.acknowledge(places)
    start(places, at=5.0, **LEFT)
    assert history.fell_back(places)["reason"] == "no memory", "now it has failed"


def test_the_daemon_waits_with_a_fall_back_until_this_start_is_told(places):
    for _ in range(2):
        history.settle(places, "A", True, True, False)
    assert history.fell_back(places) is None
    files.write_json(places.run / "boot.json", {"slot": "A", **LEFT})
    history.settle(places, "A", True, True, False)
    assert history.fell_back(places)["version"] == "0.3.0"


@pytest.mark.parametrize("written", [True, False])
def test_what_an_update_has_told_is_not_told_again_as_left_later(places, written):
    expected(places, written)
    start(places, at=1.0, **LEFT)
    assert outcomes(places) == ["fell_back" if written else "failed"]
    history.acknowledge(places)
    start(places, at=2.0, **LEFT)
    assert history.fell_back(places) is None and len(outcomes(places)) == 1


def test_notes_that_cannot_be_read_hide_no_fall_back(places):
    (places.system / "fall-back-heard.json").write_text("{torn")
    start(places, at=1.0, **LEFT)
    assert history.fell_back(places)["version"] == "0.3.0"


def test_a_fall_back_without_a_word_says_so(places):
    expected(places)
    history.settle(places, "A", True, True, False)
    assert history.fell_back(places)["reason"] == "never_started"


@pytest.mark.parametrize(("spoilt", "code"), [(False, "interrupted"), (True, "interrupted_writing")])
def test_a_power_cut_while_it_is_written_is_no_fall_back(places, spoilt, code):
    expected(places, written=False)
    history.settle(places, "A", True, True, spoilt)
    (entry,) = history.entries(places)
    assert (entry["outcome"], entry["problem"]["code"]) == ("failed", code)
    assert history.fell_back(places) is None and history.pending(places) is None


def test_a_version_that_was_left_before_says_nothing_about_a_new_one(places):
    files.write_json(places.system / "unhealthy.json", {"slot": "B", "version": "0.2.9", "reason": "old"})
    expected(places)
    assert not (places.system / "unhealthy.json").exists()


# ----------------------------------------------------------------- the requests
def test_one_at_a_time_and_looking_first(places, programs, box, bring):
    gate = threading.Event()

    def calls():
        gate.wait(60)
        return 0

    box.ways = replace(box.ways, calls=calls)
    updates = Updates(places, box.ways)
    source = bring()
    looked = updates.inspect({"source": source})
    assert (
        looked["bundle"]["version"] == "0.3.0" and looked["problem"] is None and looked["running"] == "0.2.0"
    )
    assert [one["name"] for one in updates.status({})["uploads"]] == ["zongji-0.3.0.raucb"]
    updates.install({"source": source})
    with pytest.raises(Problem) as told:
        updates.install({"source": source})
    assert told.value.code == "update_running"
    with pytest.raises(Problem):
        updates.discard({"name": source["name"]})
    (working,) = (thread for thread in threading.enumerate() if thread.name == "update")
    gate.set()
    working.join(60)
    assert updates.summary()["update"]["state"] == "rebooting"


def test_a_stick_that_is_pulled_while_it_is_looked_at_is_named(
    places, programs, box, bring, good, monkeypatch
):
    upload, source = bring(), stick(places, good)
    path = places.sticks / source["stick"] / source["name"]
    updates = Updates(places, box.ways)
    # RAUC reads it too, and finds it bad.
    program = programs.folder / "rauc"
    program.write_text(f'#!/bin/sh\nrm "{path}"\necho "signature verification failed"\nexit 1\n')
    with pytest.raises(Problem) as told:
        updates.inspect({"source": source})
    assert told.value.code == "stick_pulled"

    def gone(_):
        raise OSError(errno.EIO, "Input/output error")

    path.write_bytes(good)
    monkeypatch.setattr(verity, "signature", gone)
    with pytest.raises(Problem) as told:
        updates.inspect({"source": source})
    assert (told.value.code, told.value.params["detail"]) == ("stick_pulled", "Input/output error")
    with pytest.raises(OSError):
        updates.inspect({"source": upload})


def started_anew(places, box, state):
    """The daemon after it was started anew while a job was in this state; with the job's end."""
    source = {"kind": "upload", "name": "zongji-0.3.0.raucb"}
    left = {"state": state, "version": "0.3.0", "percent": 40, "source": source, "job": "j1"}
    files.write_json(places.run / "update.json", left)
    updates = Updates(places, box.ways)
    updates.start()
    for thread in threading.enumerate():
        if thread.name == "update":
            thread.join(60)
    return updates.summary()["update"]


def test_a_job_that_had_not_begun_to_write_has_failed_with_the_daemon(places, box):
    found = started_anew(places, box, "waiting_calls")
    assert (found["state"], found["problem"]["code"]) == ("failed", "interrupted")
    assert outcomes(places) == ["failed"] and box.reboots == 0


def test_a_reboot_that_waits_for_calls_still_comes_after_the_daemon_was_started_anew(places, box):
    expected(places)
    box.calls = [2, 1]
    assert started_anew(places, box, "waiting_reboot")["state"] == "rebooting"
    assert box.reboots == 1 and box.calls == [] and history.pending(places)["written"]


def test_what_rauc_went_on_writing_is_installed_after_the_daemon_was_started_anew(places, programs, box):
    expected(places, written=False)
    programs.says("busctl", 's "idle"')
    box.next_slot = "B"
    assert started_anew(places, box, "installing")["state"] == "rebooting"
    assert outcomes(places) == ["installed"] and history.pending(places)["written"] and box.reboots == 1


def test_what_rauc_did_not_get_written_has_failed(places, programs, box):
    expected(places, written=False)
    programs.says("busctl", 's "idle"')
    box.spoilt = True
    found = started_anew(places, box, "installing")
    assert (found["state"], found["problem"]["code"]) == ("failed", "interrupted_writing")
    assert history.pending(places) is None and box.reboots == 0


# ------------------------------------------------------------- a fault outlives the boot
def reboot(places, box, version=HERE.version):
    """The box starts anew, with this version; what its daemon tells of updates then."""
    for left in places.run.glob("*"):
        if left.is_file():
            left.unlink()
    places.release.write_text(places.release.read_text().replace("VERSION=0.2.0", f"VERSION={version}"))
    history.settle(places, "A", True, True, box.spoilt)
    updates = Updates(places, box.ways)
    updates.start()
    return updates.summary()


def kept(told):
    """What tells people of a fault: on page, screen and in the checks."""
    names = ("state", "problem", "version", "file", "began", "ended", "may_cancel")
    return {name: told[name] for name in names}


def test_a_fault_is_told_after_a_restart_as_before_it(places, programs, box, bring, good, maker):
    bring()
    maker.trusted_by(programs, "LastError: Failed to write\nInstalling failed\n", 1)
    before = install(places, box, stick(places, good))
    assert kept(before)["problem"]["code"] == "install_failed" and before["ended"]
    for _ in range(2):
        after = reboot(places, box)["update"]
        assert kept(after) == kept(before)
    assert (after["version"], after["file"]) == ("0.3.0", "zongji-0.3.0.raucb")
    assert outcomes(places) == ["failed"], "once in the history, too"


@pytest.mark.parametrize(
    ("where", "path", "code"),
    [
        ("me:secret@127.0.0.1:{port}", "/short/zongji-0.3.0.raucb?token=secret", "download_failed"),
        ("me:secret@127.0.0.1", "/zongji-0.3.0.raucb", "bad_url"),
        ("127.0.0.1:{port}", "/new ones/zongji-0.3.0.raucb?token=secret", "bad_url"),
        ("127.0.0.1:secret", "/zongji-0.3.0.raucb", "bad_url"),
    ],
)
def test_no_password_of_an_address_is_kept(places, box, web, where, path, code):
    """Not even of one that `sources.check` would not have taken, such as one that a server leads on to."""
    url = "http://" + where.format(port=web.rpartition(":")[2]) + path
    state = install(places, box, {"kind": "url", "url": url})
    assert (state["state"], state["problem"]["code"]) == ("failed", code)
    assert "secret" not in str(state["problem"])
    assert not [path for path in places.system.iterdir() if "secret" in path.read_text()]
    assert reboot(places, box)["update"]["file"] == "zongji-0.3.0.raucb"


def test_the_next_update_takes_the_fault_away_whatever_becomes_of_it(places, programs, box, bring, good):
    source = bring(flipped(good, 300_000))
    install(places, box, source)
    cancelled = Job(places, HERE, box.ways, "j2", bring())
    cancelled.ways = replace(box.ways, calls=lambda: cancelled.cancel() or 1)
    cancelled.run()
    assert reboot(places, box)["update"] == {"state": "idle"}
    install(places, box, bring(flipped(good, 300_000)))
    assert reboot(places, box)["update"]["state"] == "failed"
    assert install(places, box, bring())["state"] == "rebooting"
    found = reboot(places, box)
    assert found["update"] == {"state": "idle"}, "what becomes of the new version is another matter"


@pytest.mark.parametrize("how", ["failed", "cancelled while fetched", "cancelled while it waits"])
def test_an_update_that_begins_as_the_former_one_ends_keeps_its_note(
    places, programs, box, bring, good, monkeypatch, how
):
    bring()
    real, begun = Job._tell, {"state": "fetching", "job": "j2"}

    def tell(self, **changes):
        real(self, **changes)
        if self.over:
            fault.keep(places, begun, HERE.version)

    monkeypatch.setattr(Job, "_tell", tell)
    former = Job(
        places, HERE, box.ways, "j1", stick(places, flipped(good, 300_000) if how == "failed" else good)
    )
    if how == "cancelled while fetched":
        former.cancel()
    elif how == "cancelled while it waits":
        former.ways = replace(box.ways, calls=lambda: former.cancel() or 1)
    former.run()
    assert former.state["state"] == how.partition(" ")[0] == outcomes(places)[0]
    assert files.read_json(places.system / "update-fault.json") == begun | {"running": HERE.version}


@pytest.mark.parametrize(("version", "told"), [("0.2.0", True), ("0.1.0", True), ("0.3.0", False)])
def test_an_update_by_recovery_takes_the_fault_away(places, programs, box, bring, good, version, told):
    install(places, box, bring(flipped(good, 300_000)))
    for _ in range(2):
        assert (reboot(places, box, version)["update"]["state"] == "failed") == told


@pytest.mark.parametrize("version", ["0.2.0", "0.3.0"])
def test_what_a_power_cut_has_ended_is_not_told_after_an_update_by_recovery(places, box, version):
    fault.keep(places, {"state": "fetching", "began": 1.0, "file": "new.raucb"}, HERE.version)
    for _ in range(2):
        assert (reboot(places, box, version)["update"]["state"] == "failed") == (version == HERE.version)


@pytest.mark.parametrize("state", ["failed", "fetching"])
@pytest.mark.parametrize("later", [True, False])
def test_a_version_on_trial_hides_no_fault_of_a_later_update(places, box, state, later):
    expected(places)
    history.expect(places, "0.3.0", "0.2.0", "A", written=True)
    places.release.write_text(places.release.read_text().replace("VERSION=0.2.0", "VERSION=0.3.0"))
    began = history.pending(places)["at"] + (60.0 if later else -60.0)
    problem = Problem("bundle_tampered", "changed").as_dict() if state == "failed" else None
    fault.keep(places, {"state": state, "began": began, "problem": problem}, "0.3.0")
    history.settle(places, "A", False, True, box.spoilt)
    updates = Updates(places, box.ways)
    updates.start()
    told = updates.summary()
    assert told["pending"]["version"] == "0.3.0"
    assert (told["update"]["state"] == "failed") == later


class PowerCut(BaseException):
    """Nothing of the program goes on."""


@pytest.mark.parametrize("where", ["waiting_calls", "waiting_reboot"])
def test_a_power_cut_before_or_after_the_writing(places, programs, box, bring, where):
    def calls():
        if bool(written(programs)) == (where == "waiting_reboot"):
            raise PowerCut
        return 0

    with pytest.raises(PowerCut):
        install(places, SimpleNamespace(ways=replace(box.ways, calls=calls)), bring())
    found = reboot(places, box)
    if where == "waiting_calls":
        told = found["update"]
        assert (told["state"], told["problem"]["code"], told["file"], told["may_cancel"]) == (
            "failed",
            "interrupted",
            "zongji-0.3.0.raucb",
            False,
        )
        assert outcomes(places) == ["failed"] and kept(reboot(places, box)["update"]) == kept(told)
    else:
        assert found["update"] == {"state": "idle"} and "installed" in outcomes(places)


@pytest.fixture
def cut_in_writing(places, programs, box, bring, monkeypatch):
    """The power has gone as an update began to be written."""

    def cut(*_):
        raise PowerCut

    monkeypatch.setattr(Job, "_install", cut)
    with pytest.raises(PowerCut):
        install(places, box, bring())


def test_a_power_cut_while_it_is_written_is_told_with_file_and_version(places, box, cut_in_writing):
    box.spoilt = True
    told = reboot(places, box)["update"]
    assert (told["problem"]["code"], told["version"], told["file"]) == (
        "interrupted_writing",
        "0.3.0",
        "zongji-0.3.0.raucb",
    )
    assert outcomes(places) == ["failed"] and kept(reboot(places, box)["update"]) == kept(told)


def test_what_had_begun_to_be_written_is_judged_once_and_not_before_the_boot_state_is_known(
    places, box, cut_in_writing
):
    (places.run / "installed-in-this-boot").unlink()
    (places.run / "update.json").unlink()
    updates = Updates(places, box.ways)
    updates.start()
    assert updates.summary()["update"] == {"state": "idle"} and outcomes(places) == []
    history.settle(places, "A", True, True, box.spoilt)
    assert updates.summary()["update"]["problem"]["code"] == "interrupted" and outcomes(places) == ["failed"]


@pytest.mark.parametrize(
    "damage", [b"", b"{torn", b"[]", b"{}", b'{"state": "failed", "problem": 5}', b"\xff"]
)
def test_a_fault_that_cannot_be_read_is_told_until_the_next_update(
    places, programs, box, bring, good, damage
):
    install(places, box, bring(flipped(good, 300_000)))
    (places.system / "update-fault.json").write_bytes(damage)
    told = reboot(places, box)["update"]
    assert (told["state"], told["problem"]["code"]) == ("failed", "fault_unreadable")
    assert reboot(places, box, "0.3.0")["update"] == told, "of which update it is, nobody knows"
    assert install(places, box, bring())["state"] == "rebooting" and fault.last(places) is None


def test_a_damaged_note_that_tells_its_version_goes_when_a_newer_one_runs(places, box):
    files.write_json(
        places.system / "update-fault.json", {"state": "failed", "problem": 5, "running": "0.2.0"}
    )
    assert reboot(places, box)["update"]["problem"]["code"] == "fault_unreadable"
    assert reboot(places, box, "0.3.0")["update"] == {"state": "idle"}


def test_a_disk_that_keeps_no_fault_ends_no_update(places, programs, box, bring, monkeypatch):
    real = files.write_json

    def write(path, *more):
        if path.name == "update-fault.json":
            raise OSError(errno.EROFS, "Read-only file system")
        real(path, *more)

    monkeypatch.setattr(files, "write_json", write)
    assert install(places, box, bring())["state"] == "rebooting"


@pytest.mark.parametrize("daemon_alone", [True, False])
def test_a_full_disk_hides_no_interrupted_update(places, box, monkeypatch, daemon_alone):
    fault.keep(places, {"state": "fetching", "began": 1.0, "file": "new.raucb"}, HERE.version)
    if daemon_alone:
        files.write_json(places.run / "update.json", {"state": "fetching", "file": "new.raucb"})
    real = files.write_json

    def write(path, *more):
        if path.is_relative_to(places.system):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, *more)

    monkeypatch.setattr(files, "write_json", write)
    updates = Updates(places, box.ways)
    updates.start()
    told = updates.summary()["update"]
    assert (told["state"], told["problem"]["code"]) == ("failed", "interrupted")


NO_THREAD = [RuntimeError("can't start new thread"), MemoryError()]


@pytest.mark.parametrize("error", NO_THREAD)
def test_what_rauc_writes_has_not_failed_where_the_new_daemon_gets_no_thread(
    places, programs, box, monkeypatch, error
):
    expected(places, written=False)
    programs.says("busctl", 's "idle"')
    box.next_slot = "B"
    left = {
        "state": "installing",
        "version": "0.3.0",
        "source": {"kind": "upload", "name": "zongji-0.3.0.raucb"},
    }
    files.write_json(places.run / "update.json", left)
    (places.updates / "zongji-0.3.0.raucb").write_bytes(b"still being written")
    updates = Updates(places, box.ways)

    def refuse(_):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        updates.start()
        updates.tick()
        assert updates.summary()["update"]["state"] == "installing" and outcomes(places) == []
        assert history.pending(places) and list(places.updates.iterdir())
    updates.tick()
    for thread in threading.enumerate():
        if thread.name == "update":
            thread.join(60)
    updates.tick()
    assert updates.summary()["update"]["state"] == "rebooting"
    assert outcomes(places) == ["installed"] and box.reboots == 1


@pytest.mark.parametrize("error", NO_THREAD)
def test_an_update_that_gets_no_thread_has_failed_and_the_next_may_begin(
    places, box, bring, monkeypatch, error
):
    updates, source = Updates(places, box.ways), bring()

    def refuse(_):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        for _ in range(2):
            updates.install({"source": source})
            told = updates.summary()["update"]
            assert (told["state"], told["problem"]["code"]) == ("failed", "update_failed")
            assert (str(error) or "MemoryError") in told["problem"]["message"]
