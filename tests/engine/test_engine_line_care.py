"""Lines on the simulated office: other telephones on them, bad contacts, hum, and what is kept of them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from engine_box import Box, plan_data

from appliance.core import events as core
from appliance.core.plan import LinePlan
from appliance.engine import ports
from appliance.engine.linecare import LineCare
from appliance.engine.ports import Port
from board import api

SECOND = 8000


@pytest.fixture
def make(tmp_path):
    boxes = []

    def go(**settings):
        boxes.append(Box(tmp_path, **settings))
        return boxes[-1]

    yield go
    for box in boxes:
        box.close()


def health(box, line="L1"):
    return next(row for row in box.engine.health()["lines"] if row["id"] == line)


def outgoing(box, ext="801", number="913900001111"):
    phone = box.phone(ext)
    phone.lift()
    box.run(0.5)
    phone.press(number)
    box.until(lambda: not phone.pending, 8)


def hang_up(box, ext="801"):
    box.phone(ext).hang_up()
    box.run(3)


# ------------------------------------------------------------ other telephones
def test_a_parallel_telephone_is_seen_within_two_seconds_and_its_end_too(make):
    box = make()
    box.run(1)
    box.office.line(0).lift_parallel()
    assert box.until(lambda: box.line_state() == "elsewhere", 3) <= 2.0
    assert abs(health(box)["volts"]) < 10
    assert box.line_state("L2") == "idle"
    box.office.line(0).hang_up_parallel()
    assert box.until(lambda: box.line_state() == "idle", 3) <= 2.0


def test_a_call_out_goes_by_the_other_line_meanwhile(make):
    box = make()
    box.run(1)
    box.office.line(0).lift_parallel()
    box.until(lambda: box.line_state() == "elsewhere", 3)
    box.office.subscriber("13900001111", "answer")
    outgoing(box)
    box.until(lambda: box.line_state("L2") in ("dialling", "out_ringing"), 8)
    assert box.line_state("L1") == "elsewhere"


def test_a_call_answered_at_the_parallel_telephone_is_over_for_the_box(make):
    plan = plan_data(2, 3)
    plan["lines"][0]["answer_after_rings"] = 4
    box = make(plan=plan, office={"line": {"callerid": "none"}})
    box.run(1)
    box.office.outside("Anna").call(0)
    box.until(lambda: box.line_state() == "ringing", 5)
    box.office.line(0).lift_parallel()
    box.until(lambda: box.line_state() == "elsewhere", 12)
    [record] = box.records()
    assert record["end_reason"] == "abandoned_ringing"
    assert "another telephone" in record["detail"]


def test_an_unplugged_line_is_no_line_in_use_elsewhere(make):
    box = make()
    box.run(1)
    box.office.line(0).unplug()
    box.run(3)
    assert box.line_state() == "fault"
    assert health(box)["volts"] == 0
    box.office.line(0).plug()
    box.run(2)
    assert box.line_state() == "idle"


# ----------------------------------------------------------------- bad lines
def test_a_line_without_loop_current_ends_in_quarantine_with_its_reason_and_comes_out_by_itself(
    make, monkeypatch
):
    monkeypatch.setattr("appliance.core.lines.FIRST_CHECK_S", 20.0)
    box = make(lines=1)
    box.run(1)
    box.office.line(0).break_contact()
    for _ in range(3):
        outgoing(box)
        box.until(lambda: box.engine.table.by_name("L1").in_use, 8)
        box.until(lambda: not box.engine.table.by_name("L1").in_use, 8)
        hang_up(box)
    row = next(row for row in box.engine.snapshot()["lines"] if row["id"] == "L1")
    assert (row["state"], row["reason"]) == ("quarantined", "no_loop")
    assert "line_quarantined" in box.notices()
    box.office.line(0).mend_contact()
    box.until(lambda: box.line_state() == "idle", 40)
    assert "line_released" in box.notices()


@pytest.mark.parametrize("hum_dbm0, state", [(-25.0, "quarantined"), (-45.0, "idle")])
def test_loud_hum_takes_a_line_out_of_use_and_faint_hum_does_not(make, hum_dbm0, state):
    box = make(lines=1, office={"line": {"hum_dbm0": hum_dbm0}})
    caller = box.office.outside("Anna")
    for _ in range(3):
        caller.call(0)
        box.until(lambda: box.line_state() == "ivr", 12)
        caller.say(box_speech()[:40000])
        box.run(6)
        caller.hang_up()
        box.until(lambda: box.line_state() not in ("ivr", "queued"), 20)
        box.run(3)
    assert box.line_state() == state
    assert health(box)["hum_dbm0"] == pytest.approx(hum_dbm0 - 3, abs=5)


def test_a_reversal_on_an_idle_line_keeps_calls_off_it_for_a_ring(make):
    port = a_port()
    at = 10 * SECOND
    assert ports.translate(port, api.PolarityReversed(0, 0, True), at) == [core.LineStirred("L1")]
    port = a_port()
    port.released_at = at - SECOND
    assert ports.translate(port, api.PolarityReversed(0, 0, True), at) == []


def a_port(**settings):
    info = api.PortInfo(0, api.PortKind.FXO, "sim/0")
    return Port(0, 0, 0, info, "L1", LinePlan("L1", "sim/0", **settings))


# ------------------------------------------------------------------- polarity
def test_a_line_that_reverses_at_the_answer_is_learned_and_then_believed(make, tmp_path):
    box = make(lines=1, office={"line": {"polarity_reversal": True}})
    number = "13900001111"
    words = (box_speech(),)
    box.office.subscriber(number, "answer", answer_after_s=6.0, say=words)
    box.sign_in("1001", "801")
    ways = []
    for _ in range(2):
        outgoing(box, number="9" + number)
        box.until(lambda: box.line_state() == "out_talking", 40)
        box.run(2)
        hang_up(box)
        ways.append(box.records()[-1]["answer_seen"])
    assert ways == ["inferred", "seen"]
    assert health(box)["polarity_learned"]
    box.close()
    again = make(lines=1, office={"line": {"polarity_reversal": True}})
    again.run(0.1)
    assert health(again)["polarity_learned"], "known after a restart"


def test_a_line_that_never_reverses_is_never_believed_to(make):
    box = make(lines=1)
    box.office.subscriber("13900001111", "answer", answer_after_s=6.0, say=(box_speech(),))
    box.sign_in("1001", "801")
    outgoing(box)
    box.until(lambda: box.line_state() == "out_talking", 40)
    assert not health(box)["polarity_learned"]


def box_speech():
    from engine_box import speech

    return speech("vm-options", "vm-intro")


# -------------------------------------------------------------------- figures
def test_figures_of_a_line_say_how_well_it_works(make):
    box = make(office={"line": {"battery_drop_ms": 500}})
    for number in ("13800000001", ""):
        caller = box.office.outside(f"caller {number}")
        caller.call(0, number=number, callerid="fsk" if number else "none")
        box.until(lambda: box.line_state() == "ivr", 15)
        caller.say(box_speech())
        box.run(11)
        caller.hang_up()
        box.until(lambda: box.line_state() == "idle", 10)
        box.run(3)
    row = health(box)
    assert row["calls"] == 2
    assert row["caller_id_percent"] == 50
    assert row["rings_before_caller_id"] == 1
    assert sum(row["hang_ups"].values()) == 2
    assert set(row["hang_ups"]) == {"battery"}
    assert 0.0 <= row["hang_up_latency_s"] < 0.5
    assert -40 < row["level_dbm0"] < -5
    assert row["last_good_call"] == pytest.approx(box.engine.unix_s, abs=20)
    assert row["volts"] == 48


def test_figures_are_kept_on_disk_and_a_damaged_file_is_begun_anew(make, tmp_path):
    box = make()
    caller = box.office.outside("Anna")
    caller.call(0)
    box.until(lambda: box.line_state() == "ivr", 12)
    caller.hang_up()
    box.until(lambda: box.line_state() == "idle", 20)
    box.close()
    path = tmp_path / "lines.json"
    assert json.loads(path.read_text())["sim/0"]["calls"] == 1
    path.write_text('{"sim/0": 7')
    again = make()
    again.run(0.1)
    assert health(again)["calls"] == 0


def test_lines_of_a_card_that_comes_later_are_measured_like_the_others(tmp_path):
    rows, second = 4, np.arange(SECOND) / SECOND
    hum = (3000 * np.sin(2 * np.pi * 50 * second)).astype(np.float32)
    table = [
        Port(0, 0, 0, api.PortInfo(0, api.PortKind.FXS, "a/0", frozenset()), name="801"),
        Port(1, 0, 1, api.PortInfo(1, api.PortKind.FXO, "a/1", frozenset()), name="L1"),
    ]
    care = LineCare(table, rows, tmp_path / "lines.json", lambda port: None)

    def run(seconds, row):
        heard, said, bridged = (
            np.zeros((rows, 160), np.float32),
            np.zeros((rows, 160), np.float32),
            np.zeros(4, bool),
        )
        told = []
        for tick in range(50 * seconds):
            heard[row] = hum[tick % 50 * 160 :][:160]
            told += care.tick(tick * 160, heard, said, bridged)
        return told

    assert run(4, 0) == [], "a telephone that hums is no line"
    assert run(4, 1) == [core.LineTrouble("L1", "hum")]
    table.append(Port(2, 1, 0, api.PortInfo(0, api.PortKind.FXO, "b/0", frozenset()), name="L2"))
    assert run(4, 2) == [core.LineTrouble("L2", "hum")]


def test_lines_with_telephones_between_them_have_the_figures_of_lines_that_lie_together(tmp_path):
    rng = np.random.default_rng(1)
    sounds = rng.normal(0, 1500, (3, 200, 160)).astype(np.float32)
    fxo, fxs = api.PortKind.FXO, api.PortKind.FXS
    reports = []
    for name, kinds in (("together", (fxs, fxo, fxo, fxo)), ("apart", (fxo, fxs, fxo, fxs, fxo))):
        table = [
            Port(row, 0, row, api.PortInfo(row, kind, f"a/{row}", frozenset()), name=f"{row}", in_use=True)
            for row, kind in enumerate(kinds)
        ]
        lines = [port.row for port in table if port.is_line]
        care = LineCare(table, len(kinds), tmp_path / f"{name}.json", lambda port: None)
        for tick in range(200):
            heard, said = rng.normal(0, 9000, (2, len(kinds), 160)).astype(np.float32)
            heard[lines], said[lines] = sounds[:, tick], sounds[:, tick - 1] * 4
            care.tick(tick * 160, heard, said, np.zeros(len(kinds), bool))
        figures = [{**row, "id": "", "port": ""} for row in care.report()]
        assert figures[0]["level_dbm0"] is not None and figures[0]["hum_dbm0"] is not None
        reports.append(figures)
    assert reports[0] == reports[1]


def test_health_is_not_told_in_the_tick_in_which_the_meters_end_their_second(make):
    box = make()
    both = []
    for _ in range(200):
        told, seconds = len(box.of("health")), box.engine.care._seconds
        box.run(0.02)
        both.append((len(box.of("health")) - told, box.engine.care._seconds - seconds))
    assert both.count((1, 0)) == both.count((0, 1)) == 4
    assert (1, 1) not in both
