"""A line learns its exchange's disconnect tone from its calls' ends, and keeps it."""

import io
import json
import os
import sys

import numpy as np
import pytest

from appliance.engine.linetones import LineTones
from appliance.engine.ports import Port
from appliance.engine.tails import TAIL_BLOCKS, Tails
from appliance.engine.tonehelper import ToneHelper, main
from appliance.engine.worker import Worker
from board.api import PortInfo, PortKind
from dsp.learn import Ending, Observation, ToneLearner, ending
from dsp.levels import power
from tests.dsp import signals_progress as S
from tests.engine.engine_box import Box, plan_data, speech

OWN = "620 Hz 300/250 ms"
AGENT = "1001"


def tail(frequencies_hz=(620.0,), cadence_ms=(300, 250), duration_s=8.0):
    x = np.concatenate(
        [speech("vm-instructions")[:24000], S.tone(frequencies_hz, cadence_ms, duration_s, -15)]
    )
    return np.clip(x, -32768, 32767).astype(np.int16)


# ------------------------------------------------------------- the tick's part
def test_a_tail_holds_the_last_of_the_call_without_the_silence():
    tails = Tails(2)
    heard = np.zeros((2, 160), np.float32)
    rows = np.array([1])
    for block in range(TAIL_BLOCKS + 100):
        heard[1] = 1000 + block
        tails.tap(heard, power(heard), rows)
    heard[1] = 0
    for _ in range(2000):
        tails.tap(heard, power(heard), rows)
    kept = tails.of(1).reshape(-1, 160)[:, 0]
    assert len(kept) == TAIL_BLOCKS and (kept[-150:] == 0).all(), "three seconds of the silence"
    assert kept[-151] == 1000 + TAIL_BLOCKS + 99 and kept[0] == 1000 + 250
    tails.restart(1)
    assert len(tails.of(1)) == len(tails.of(0)) == 0


# ---------------------------------------------------------------- the memory
class Lines:
    """Line tones with a study that says what it is told."""

    def __init__(self, path, country="CN", lines=2, can=()):
        self.ports = [
            Port(i, 0, i, PortInfo(i, PortKind.FXO, f"sim/{i}", frozenset(can))) for i in range(lines)
        ]
        for port in self.ports:
            port.name = f"L{port.row + 1}"
        self.says = None
        self.looked = 0
        self.tones = LineTones(self.ports, lines, path, Worker("ends", False), self._study)
        self.tones.use_country(country)

    def _study(self, samples):
        self.looked += 1
        return self.says

    def call(self, row, caller, hz=620.0, on_ms=300.0, off_ms=250.0, lasted_s=6.0, cue="", answered=True):
        tone = Observation((hz,), on_ms, off_ms, -15.0)
        self.says = Ending(tone, lasted_s, False)
        self.tones.restart(self.ports[row])
        for _ in range(200):
            heard = np.full((len(self.ports), 160), 1000, np.float32)
            self.tones.tap(heard, power(heard), np.array([row]))
        record = {"direction": "in", "caller_number": caller, "cue": cue}
        record["answered_at"] = 1.0 if answered else None
        self.tones.call_ended(self.ports[row], record)
        return self.tones.settle()


def test_a_tail_that_is_too_loud_is_clipped_and_does_not_turn_over():
    tails, rows = Tails(1), np.array([0])
    for level in (36000.0, -36000.0):
        block = np.full((1, 160), level, np.float32)
        tails.tap(block, power(block), rows)
    assert tails.of(0).tolist() == [32767] * 160 + [-32768] * 160


def test_three_calls_teach_it_and_the_line_is_told_once(tmp_path):
    lines = Lines(tmp_path / "tones.json")
    assert lines.call(0, "13912345678") == [] and lines.tones.report("sim/0")["state"] == "learning"
    assert lines.call(0, "02164321234") == []
    [(port, tone)] = lines.call(0, "075512345678")
    assert port.name == "L1" and tone.frequencies_hz == (620.0,) and (tone.on_ms, tone.off_ms) == (300, 250)
    assert lines.call(0, "13800138000", hz=622.0) == [], "nothing new"
    found = lines.tones.report("sim/0")
    assert (found["state"], found["ends"], found["frequencies_hz"]) == ("used", 4, [620])
    assert 0.9 < found["confidence"] < 1


def test_health_asks_every_second_and_nothing_is_compared_for_it(tmp_path, monkeypatch):
    path = tmp_path / "tones.json"
    lines = Lines(path)
    for caller in "123":
        lines.call(0, caller)
    lines.tones.unsaved()()
    again = Lines(path)
    compared = []
    learned = ToneLearner.learned
    monkeypatch.setattr(ToneLearner, "learned", lambda self: compared.append(1) or learned(self))
    for _ in range(10):
        assert again.tones.report("sim/0")["state"] == "used" and again.tones.report("sim/1") is None
    assert not compared
    again.call(0, "4")
    assert again.tones.report("sim/0")["ends"] == 4


def test_lines_of_one_exchange_listen_for_the_very_same_tone(tmp_path):
    lines = Lines(tmp_path / "tones.json")
    for caller in "123":
        lines.call(0, caller)
    for caller in "123":
        lines.call(1, caller, hz=618.0, on_ms=310.0, off_ms=240.0)
    assert lines.tones.used(lines.ports[0]) is lines.tones.used(lines.ports[1]) is not None


def test_what_is_in_the_countrys_table_is_shown_and_not_learned(tmp_path):
    lines = Lines(tmp_path / "tones.json")
    for caller in "1234":
        assert lines.call(0, caller, hz=450.0, on_ms=350.0, off_ms=350.0, lasted_s=1.8, cue="tone") == []
    found = lines.tones.report("sim/0")
    assert (found["state"], found["name"]) == ("table", "busy")
    lines.tones.use_country("US")
    assert [tone.frequencies_hz for _, tone in lines.tones.settle()] == [(450.0,)], "there it is none"
    lines.tones.use_country("CN")
    assert lines.tones.used(lines.ports[0]) is None


def test_it_is_forgotten_when_the_exchange_changes(tmp_path):
    lines = Lines(tmp_path / "tones.json")
    for caller in "123":
        lines.call(0, caller)
    for caller in "45":
        assert lines.call(0, caller, hz=450.0, on_ms=350.0, off_ms=350.0, cue="tone") == []
    [(port, tone)] = lines.call(0, "6", hz=450.0, on_ms=350.0, off_ms=350.0, cue="tone")
    assert port.name == "L1" and tone is None


def test_a_card_that_comes_later_is_told_what_its_line_learned_in_an_earlier_run(tmp_path):
    path = tmp_path / "tones.json"
    lines = Lines(path)
    for caller in "123":
        lines.call(0, caller)
    lines.tones.unsaved()()
    later = Lines(path, lines=0)
    assert later.tones.settle() == [], "its card is not there yet"
    later.ports += lines.ports
    later.tones.added(lines.ports)
    assert [(port.name, tone.frequencies_hz) for port, tone in later.tones.settle()] == [("L1", (620.0,))]


@pytest.mark.parametrize("broken", ["[1]", "{", '{"sim/0": [{"tone": 5}]}'])
def test_memory_outlives_a_restart_and_a_damaged_file_is_begun_anew(tmp_path, broken):
    path = tmp_path / "tones.json"
    lines = Lines(path)
    for caller in "123":
        lines.call(0, caller)
    lines.tones.unsaved()()
    assert lines.tones.unsaved() is None
    again = Lines(path)
    assert [tone.frequencies_hz for _, tone in again.tones.settle()] == [(620.0,)]
    assert "4" not in json.dumps(json.loads(path.read_text())["sim/0"][0]["caller"])
    path.write_text(broken)
    assert Lines(path).tones.settle() == []


def test_calls_that_say_nothing_are_not_looked_at(tmp_path):
    lines = Lines(tmp_path / "tones.json")
    lines.call(0, "1", answered=False)
    assert lines.looked == 0
    cellular = Lines(tmp_path / "tones.json", can=("call-state",))
    cellular.call(0, "1", cue="signalled")
    assert cellular.looked == 0, "there the network tells"


# ---------------------------------------------------------------- the helper
def test_the_helper_process_says_what_the_function_says(tmp_path):
    helper = ToneHelper()
    try:
        for samples in (tail(), tail()[:24000], np.zeros(0, np.int16)):
            assert helper.study(samples) == ending(samples)
        assert helper.study(tail()).tone.frequencies_hz == (pytest.approx(620, abs=2),)
    finally:
        helper.close()
    helper.close()


def test_a_helper_that_dies_costs_one_end_and_is_started_again(tmp_path):
    marker = tmp_path / "died"
    code = (
        "import os, sys\n"
        f"if not os.path.exists({str(marker)!r}):\n    open({str(marker)!r}, 'w').close()\n    sys.exit(3)\n"
        "from appliance.engine.tonehelper import main\nmain()\n"
    )
    helper = ToneHelper((sys.executable, "-c", code))
    try:
        assert helper.study(tail()) is None
        assert helper.study(tail()) == ending(tail())
        pid = helper._process.pid
    finally:
        helper.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_helper_that_dies_over_its_work_is_started_again_for_the_next(tmp_path):
    marker = tmp_path / "died"
    code = (
        "import os, sys\n"
        f"if not os.path.exists({str(marker)!r}):\n    open({str(marker)!r}, 'w').close()\n"
        "    size = int.from_bytes(sys.stdin.buffer.read(4), 'little')\n"
        "    sys.stdin.buffer.read(size)\n    sys.exit(3)\n"
        "from appliance.engine.tonehelper import main\nmain()\n"
    )
    helper = ToneHelper((sys.executable, "-c", code))
    try:
        assert helper.study(tail()) is None
        assert helper.study(tail()) == ending(tail())
    finally:
        helper.close()


def test_the_helper_leaves_the_engines_real_time_and_is_the_last_to_be_served(monkeypatch):
    called = []
    monkeypatch.setattr(os, "sched_setscheduler", lambda pid, policy, param: called.append((pid, policy)))
    monkeypatch.setattr(os, "nice", called.append)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    main()
    assert called == [(0, os.SCHED_OTHER), 19]


# ------------------------------------------------------------------- the box
def one_call(box, number, agent_gives_up_s=None):
    """Somebody calls, talks, hangs up; the record."""
    known = len(box.records())
    anna, phone = box.office.outside(f"caller {number}"), box.phone("801")
    anna.call(0, number=number)
    box.until(lambda: phone.ringing, 20)
    phone.lift()
    box.until(lambda: anna.state == "talking", 10)
    anna.say(speech("vm-instructions")[:24000])
    box.run(4)
    anna.hang_up()
    if agent_gives_up_s:
        box.run(agent_gives_up_s)
        assert box.line_state() == "talking"
        phone.hang_up()
    box.until(lambda: len(box.records()) > known, 20)
    if not agent_gives_up_s:
        phone.hang_up()
    box.run(5)
    return box.records()[-1]


def straight_plan():
    plan = plan_data(1, 1)
    plan["lines"][0]["extension"] = "801"
    return plan


def test_a_box_that_has_learned_knows_it_after_a_restart(tmp_path):
    office = {"line": {"disconnect_tone": OWN}}
    box = Box(tmp_path, 1, 1, office=office, plan=straight_plan())
    for number in ("13912345678", "02164321234", "075512345678"):
        assert one_call(box, number, agent_gives_up_s=5.0)["end_reason"] == "agent_hangup"
    box.close()
    again = Box(tmp_path, 1, 1, office=office, plan=straight_plan())
    record = one_call(again, "13800138000")
    assert (record["end_reason"], record["cue"]) == ("caller_hangup", "tone")
    [line] = again.engine.health()["lines"]
    assert line["tone"]["state"] == "used" and line["tone_latency_s"] < 3 * 0.55
    again.close()


def test_a_call_in_progress_is_not_disturbed_by_what_is_learned(tmp_path):
    """Learned in mid-call, the tone counts from the next call on."""
    box = Box(tmp_path, 1, 1, office={"line": {"disconnect_tone": OWN}}, plan=straight_plan())
    port = box.engine.table.by_name("L1")
    port.in_use = True
    from dsp.linescan import LearnedTone

    tone = LearnedTone((620.0,), 300.0, 250.0)
    before = box.engine.hearing._progress.scan.networks[port.row]
    box.engine.hearing.learn(port, tone)
    assert box.engine.hearing._progress.scan.networks[port.row] is before
    port.in_use = False
    box.engine.hearing.restart(port)
    assert box.engine.hearing._progress.scan.networks[port.row].learned == tone
    box.close()
