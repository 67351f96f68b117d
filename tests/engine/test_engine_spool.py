"""Records are never lost: they wait on disk until control says that they are stored."""

import json

import pytest

from appliance.engine.spool import WINDOW, Spool


class Post:
    """Control's end."""

    def __init__(self):
        self.there = True
        self.records = []
        self.notices = []

    def send(self, topic, data):
        if self.there:
            self.records.append((data["id"], data["record"].get("n"), data["final"]))
        return self.there

    def notice(self, code, data):
        self.notices.append((code, data))


@pytest.fixture
def post():
    return Post()


@pytest.fixture
def spool(tmp_path, post):
    return Spool(tmp_path, post.send, post.notice)


def files(tmp_path):
    return sorted(path.name for path in tmp_path.iterdir())


def test_record_is_a_file_until_acknowledged(spool, post, tmp_path):
    spool.store("a", {"n": 1}, True)
    assert files(tmp_path) == ["a.json"]
    assert post.records == [("a", 1, True)]
    spool.acknowledge("a")
    assert files(tmp_path) == []
    assert spool.waiting == 0


def test_control_away_then_back(spool, post, tmp_path):
    post.there = False
    for name in "abc":
        spool.store(name, {"n": name}, True)
    assert post.records == []
    post.there = True
    spool.resend()
    assert [name for name, _, _ in post.records] == ["a", "b", "c"]
    assert len(files(tmp_path)) == 3


def test_acknowledging_an_earlier_version_keeps_the_later_one(spool, tmp_path):
    spool.store("a", {"n": 1}, False)
    spool.store("a", {"n": 2}, True)
    spool.acknowledge("a")
    assert json.loads((tmp_path / "a.json").read_text())["record"] == {"n": 2}
    spool.acknowledge("a")
    assert files(tmp_path) == []


def nothing_recorded(call):
    return {}


def test_a_new_run_takes_over_what_was_left(spool, post, tmp_path):
    post.there = False
    spool.store("a", {"n": 1, "ended_at": 5.0, "end_reason": "caller_hangup"}, True)
    spool.store("b", {"n": 2, "ended_at": None, "end_reason": ""}, False)
    (tmp_path / "c.json").write_text('{"id": "c", "rec')
    later = Post()
    second = Spool(tmp_path, later.send, later.notice)
    second.load(nothing_recorded)
    second.resend()
    assert later.records == [("a", 1, True), ("b", 2, True)]
    unfinished = json.loads((tmp_path / "b.json").read_text())["record"]
    assert unfinished["end_reason"] == "error" and unfinished["detail"] and unfinished["ended_at"] > 0
    assert (tmp_path / "c.damaged").exists()
    assert not (tmp_path / "b.open").exists()


def test_a_call_that_goes_on_is_kept_though_control_has_its_early_record(spool, post, tmp_path):
    """Otherwise a box that fails now would leave a call that never ends in the list."""
    spool.store("a", {"n": 1, "connected_at": 100.0, "ended_at": None, "steps": []}, False)
    spool.acknowledge("a")
    assert files(tmp_path) == ["a.open"] and spool.waiting == 0
    spool.resend()
    assert len(post.records) == 1, "what is stored is not sent again"
    later = Post()
    second = Spool(tmp_path, later.send, later.notice)
    second.load(lambda call: {"recording": f"{call}.wav", "recording_s": 7.0, "ended_at": 4e9})
    record = json.loads((tmp_path / "a.json").read_text())["record"]
    assert (record["recording"], record["recording_s"]) == ("a.wav", 7.0)
    assert record["ended_at"] == 4e9 and record["talk_s"] == 4e9 - 100.0
    assert record["steps"][-1]["what"] == "hangup"


def test_the_final_record_wins_over_an_early_one_that_was_left_beside_it(spool, post, tmp_path):
    spool.store("a", {"n": 1}, False)
    early = (tmp_path / "a.open").read_bytes()
    spool.store("a", {"n": 2, "end_reason": "caller_hangup"}, True)
    (tmp_path / "a.open").write_bytes(early)
    second = Spool(tmp_path, post.send, post.notice)
    second.load(nothing_recorded)
    assert json.loads((tmp_path / "a.json").read_text())["record"]["end_reason"] == "caller_hangup"
    assert second.waiting == 1
    assert files(tmp_path) == ["a.json"]


def test_many_records_go_in_portions(spool, post):
    post.there = False
    for n in range(3 * WINDOW):
        spool.store(f"{n:04}", {"n": n}, True)
    post.there = True
    spool.resend()
    assert len(post.records) == WINDOW
    done = 0
    while done < len(post.records):
        spool.acknowledge(post.records[done][0])
        done += 1
    assert [n for _, n, _ in post.records] == list(range(3 * WINDOW))
    assert spool.waiting == 0


def test_a_disk_that_refuses_costs_one_notice_and_no_record(post, tmp_path):
    spool = Spool(tmp_path / "not there", post.send, post.notice)
    spool.store("a", {"n": 1}, True)
    spool.store("b", {"n": 2}, True)
    assert [name for name, _, _ in post.records] == ["a", "b"]
    assert [code for code, _ in post.notices] == ["spool_failed"]
