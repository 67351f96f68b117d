"""Recordings: valid at every moment, and never the reason why a call fails."""

import errno
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from appliance.engine import wavfile
from appliance.engine.recorder import FLUSH_BLOCKS, RESERVE_BYTES, Recorder
from appliance.engine.worker import Worker
from appliance.paths import Home

NOON = 1_700_000_000.0


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path)
    home.create()
    return home


def make(home, rows=4):
    return Recorder(home.root, home.recordings, home.spool, rows, Worker("files", threaded=False))


def tap(recorder, blocks, heard, said):
    rows = 4
    for _ in range(blocks):
        recorder.tap(np.full((rows, 160), heard, np.float32), np.full((rows, 160), said, np.float32))


def read(home, described):
    samples, rate = soundfile.read(home.root / described["recording"], dtype="int16")
    assert rate == 8000
    return samples


def test_both_parties_are_in_the_file_and_it_does_not_wrap_around(home):
    recorder = make(home)
    recorder.start("20231114-a", 2, NOON)
    tap(recorder, 60, 1000, 500)
    tap(recorder, 15, 30000, 30000)
    recorder.stop("20231114-a")
    found = recorder.describe("20231114-a", forget=True)
    assert found == {"recording": "recordings/2023/11/14/20231114-a.wav", "recording_s": 1.5}
    samples = read(home, found)
    assert (samples[: 60 * 160] == 1500).all() and (samples[60 * 160 :] == 32767).all()


def test_the_file_is_playable_while_it_is_written(home):
    recorder = make(home)
    recorder.start("a", 0, NOON)
    path = home.recordings / "2023/11/14/a.wav"
    assert len(soundfile.read(path)[0]) == 0
    for second in range(1, 4):
        tap(recorder, FLUSH_BLOCKS, 100, 0)
        assert len(soundfile.read(path)[0]) == second * 8000


def test_pause_is_silence_of_the_same_length(home):
    recorder = make(home)
    recorder.start("a", 0, NOON)
    tap(recorder, 10, 100, 0)
    recorder.pause("a", True)
    tap(recorder, 10, 100, 0)
    recorder.pause("a", False)
    tap(recorder, 10, 100, 0)
    recorder.stop("a")
    samples = read(home, recorder.describe("a", True)).reshape(30, 160)
    assert [int(block[0]) for block in samples[[0, 9, 10, 19, 20, 29]]] == [100, 100, 0, 0, 100, 100]


def test_what_came_after_the_calls_end_is_not_kept_whether_it_was_written_or_not(home):
    recorder = make(home)
    recorder.start("a", 0, NOON)
    tap(recorder, 100, 100, 0)
    tap(recorder, 130, 7000, 0)
    recorder.stop("a", 2.6)
    found = recorder.describe("a", True)
    assert found["recording_s"] == 2.0
    path = home.root / found["recording"]
    assert (read(home, found) == 100).all() and path.stat().st_size == 44 + 2 * 16000
    recorder.start("b", 0, NOON)
    tap(recorder, 10, 100, 0)
    recorder.stop("b", 5.0)
    assert recorder.describe("b", True) == {"recording": "", "recording_s": 0.0}
    assert list(path.parent.iterdir()) == [path], "an empty file is no recording"


def test_a_call_that_ends_before_its_first_block_leaves_no_file(home):
    recorder = make(home)
    recorder.start("a", 0, NOON)
    recorder.stop("a")
    assert recorder.describe("a", True) == {"recording": "", "recording_s": 0.0}
    assert not list(home.recordings.rglob("*.wav")) and not recorder.problems


def test_a_power_cut_before_the_first_block_leaves_no_file_and_no_name(home):
    make(home).start("a", 0, NOON)
    assert make(home).repair() == {"a": {}}
    assert not list(home.recordings.rglob("*.wav"))


def test_a_recording_that_broke_off_loses_no_more_than_it_has(home, monkeypatch):
    recorder = make(home)
    recorder.start("a", 0, NOON)
    tap(recorder, FLUSH_BLOCKS, 100, 0)
    monkeypatch.setattr(
        "appliance.engine.recorder.os.statvfs", lambda _: SimpleNamespace(f_bavail=0, f_frsize=4096)
    )
    tap(recorder, 3 * FLUSH_BLOCKS, 7000, 0)
    recorder.stop("a", 2.0)
    found = recorder.describe("a", True)
    assert found["recording_s"] == 1.0 and "problem" in found
    assert (read(home, found) == 100).all()


def test_one_call_stays_one_file_when_its_port_changes(home):
    recorder = make(home)
    recorder.start("a", 0, NOON)
    recorder.tap(np.full((4, 160), 1, np.float32) * np.arange(4)[:, None], np.zeros((4, 160), np.float32))
    recorder.start("a", 3, NOON + 5)
    recorder.tap(np.full((4, 160), 1, np.float32) * np.arange(4)[:, None], np.zeros((4, 160), np.float32))
    recorder.stop("a")
    samples = read(home, recorder.describe("a", True))
    assert samples[0] == 0 and samples[-1] == 3 and len(samples) == 320


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_started_moved_paused_and_stopped_each_file_holds_its_own_sound(home, seed):
    rng = np.random.default_rng(seed)
    recorder = make(home)
    rows, paused, wanted, described = {}, {}, {}, {}
    for _ in range(400):
        for call in "abc":
            what = rng.choice(["start", "pause", "stop", ""], p=[0.02, 0.03, 0.002, 0.948])
            if what == "start" and call not in described:
                rows[call] = int(rng.integers(4))
                recorder.start(call, rows[call], NOON)
                paused.setdefault(call, False)
                wanted.setdefault(call, [])
            elif what == "pause" and call in rows:
                paused[call] = bool(rng.integers(2))
                recorder.pause(call, paused[call])
            elif what == "stop" and call in rows:
                recorder.stop(call)
                del rows[call]
                described[call] = recorder.describe(call, True)
        heard, said = rng.integers(-30000, 30000, (2, 4, 160)).astype(np.float32) * 0.7
        recorder.tap(heard, said)
        for call, row in rows.items():
            both = np.clip(heard[row] + said[row], -32768, 32767).astype(np.int16)
            wanted[call].append(both * (not paused[call]))
    recorder.stop_all()
    described |= {call: recorder.describe(call, True) for call in rows}
    assert len(described) >= 2
    for call, found in described.items():
        sound = np.concatenate(wanted[call])
        assert found["recording_s"] == len(sound) / 8000
        assert np.array_equal(read(home, found), sound)


def test_several_calls_at_once_do_not_mix(home):
    recorder = make(home)
    for row in range(4):
        recorder.start(f"call-{row}", row, NOON)
    heard = np.repeat(np.arange(1, 5, dtype=np.float32)[:, None] * 100, 160, axis=1)
    for _ in range(70):
        recorder.tap(heard, np.zeros_like(heard))
    for row in range(4):
        recorder.stop(f"call-{row}")
        assert (read(home, recorder.describe(f"call-{row}", True)) == 100 * (row + 1)).all()


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "disk is full"), (errno.EROFS, "disk is read-only")]
)
def test_a_disk_that_refuses_to_open_costs_the_recording_only(home, monkeypatch, number, words):
    def refuse(self, path):
        raise OSError(number, "refused")

    monkeypatch.setattr(wavfile.GrowingWav, "__init__", refuse)
    recorder = make(home)
    recorder.start("a", 0, NOON)
    tap(recorder, 60, 100, 0)
    recorder.stop("a")
    found = recorder.describe("a", True)
    assert found["recording"] == "" and words in found["problem"]
    assert [(call, words in reason) for call, reason in recorder.problems] == [("a", True)]


def test_a_disk_that_fills_up_leaves_what_was_written_and_says_where_it_stops(home, monkeypatch):
    recorder = make(home)
    recorder.start("a", 0, NOON)
    tap(recorder, FLUSH_BLOCKS, 100, 0)

    def full(self, samples):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(wavfile.GrowingWav, "append", full)
        tap(recorder, 2 * FLUSH_BLOCKS, 100, 0)
    recorder.stop("a")
    found = recorder.describe("a", True)
    assert found["recording_s"] == 1.0 and "stops at 1.0 s" in found["problem"]
    assert len(read(home, found)) == 8000
    assert len(recorder.problems) == 1
    recorder.start("b", 0, NOON)
    tap(recorder, FLUSH_BLOCKS, 100, 0)
    assert recorder.problems[-1] == ("b", "")


def test_a_recording_that_goes_on_does_not_say_that_new_ones_work_again(home):
    """Otherwise a folder that cannot be used would be told, and denied, at every call."""
    recorder = make(home)
    recorder.start("a", 0, NOON)
    tap(recorder, FLUSH_BLOCKS, 100, 0)
    home.recordings.rename(home.root / "away")
    home.recordings.write_text("not a folder")
    recorder.start("b", 1, NOON)
    tap(recorder, 2 * FLUSH_BLOCKS, 100, 0)
    [(call, reason)] = recorder.problems
    assert call == "b" and "move that file away" in reason
    home.recordings.unlink()
    (home.root / "away").rename(home.recordings)
    recorder.start("c", 2, NOON)
    tap(recorder, FLUSH_BLOCKS, 100, 0)
    assert recorder.problems[-1] == ("c", "")


def test_a_slow_disk_cannot_eat_the_memory(home, monkeypatch):
    monkeypatch.setattr("appliance.engine.recorder.MAX_WAITING_BYTES", 3 * FLUSH_BLOCKS * 320)
    stuck = []
    worker = Worker("files", threaded=False)
    monkeypatch.setattr(worker, "submit", stuck.append)
    recorder = Recorder(home.root, home.recordings, home.spool, 4, worker)
    recorder.start("a", 0, NOON)
    tap(recorder, 10 * FLUSH_BLOCKS, 100, 0)
    assert recorder.lost_blocks > 0
    for job in stuck:
        job()
    assert "too slow" in recorder.describe("a", True)["problem"]


def test_a_power_cut_leaves_a_file_that_the_next_start_mends(home):
    recorder = make(home)
    recorder.start("a", 0, NOON)
    tap(recorder, FLUSH_BLOCKS, 100, 0)
    path = home.recordings / "2023/11/14/a.wav"
    whole = path.read_bytes()
    path.write_bytes(whole[:20] + b"\0" * 24 + whole[44:-1])
    cut_at = path.stat().st_mtime
    again = make(home)
    assert again.repair() == {
        "a": {"recording": "recordings/2023/11/14/a.wav", "recording_s": 7999 / 8000, "ended_at": cut_at}
    }
    assert list(again.repair()) == ["a"], "until its record is safe"
    again.forget("a")
    samples, rate = soundfile.read(path, dtype="int16")
    assert rate == 8000 and len(samples) == 7999 and (samples == 100).all()
    assert not list(home.spool.iterdir())


def test_more_samples_than_header_is_what_a_cut_leaves(tmp_path):
    """The samples are written before the header speaks of them, so every prefix of the writes is playable."""
    wav = wavfile.GrowingWav(tmp_path / "x.wav")
    wav.append(b"\1\0" * 800)
    wav.close()
    with (tmp_path / "x.wav").open("ab") as file:
        file.write(b"\1\0" * 100)
    assert len(soundfile.read(tmp_path / "x.wav")[0]) == 800
    assert wavfile.repair(tmp_path / "x.wav") == 900 / 8000


def test_recording_stops_while_there_is_still_room_for_records(home, monkeypatch):
    """Calls need the disk for their records: the recordings leave them the reserve."""
    free = {"blocks": RESERVE_BYTES // 4096 + 10}
    monkeypatch.setattr(
        "appliance.engine.recorder.os.statvfs",
        lambda path: SimpleNamespace(f_bavail=free["blocks"], f_frsize=4096),
    )
    recorder = make(home)
    recorder.start("a", 0, NOON)
    tap(recorder, FLUSH_BLOCKS, 100, 0)
    free["blocks"] = RESERVE_BYTES // 4096 - 1
    tap(recorder, FLUSH_BLOCKS, 100, 0)
    recorder.stop("a")
    found = recorder.describe("a", forget=True)
    assert found["recording_s"] == 1.0 and "stops at 1.0 s" in found["problem"]
    recorder.start("b", 0, NOON)
    recorder.stop("b")
    assert recorder.describe("b", forget=True)["recording"] == ""
    assert [call for call, _ in recorder.problems] == ["a", "b"]
    free["blocks"] *= 2
    recorder.start("c", 0, NOON)
    tap(recorder, FLUSH_BLOCKS, 100, 0)
    recorder.stop("c")
    assert recorder.describe("c", forget=True)["recording_s"] == 1.0
    assert recorder.problems[-1] == ("c", "")
