"""Real calls through engine, call core and simulated office, at the level of sound."""

import json

import numpy as np
import pytest
from engine_box import FLOW, Box, likeness, plan_data, speech

from appliance.engine import unixtime, wavfile

CALLER_SAYS = "tt-weasels"
AGENT_SAYS = "vm-intro"


@pytest.fixture
def make(tmp_path):
    boxes = []

    def build(**options):
        boxes.append(Box(tmp_path, **options))
        return boxes[-1]

    yield build
    for box in boxes:
        box.close()


def connect(box, line=0, ext="801", agent="1001", name="Anna", number="13800138000"):
    """A caller reaches an agent through greeting and menu; the caller's telephone."""
    box.sign_in(agent, ext)
    caller = box.office.outside(name)
    caller.call(line, number=number, name=name)
    box.until(lambda: box.line_state(f"L{line + 1}") == "ivr", 12)
    box.run(0.5)
    caller.press("1")
    box.until(lambda: box.phone(ext).ringing)
    box.phone(ext).lift()
    box.until(lambda: box.agent_state(agent) == "talking")
    box.run(0.3)
    return caller


def travel_ms(box, mouth, ear, words):
    """Time from one mouth to another ear, by finding the sound again."""
    heard_before = ear.ear.total
    mouth.say(words)
    box.run(len(words) / 8000 + 0.2)
    heard = ear.heard((ear.ear.total - heard_before) / 8000)
    score, at = likeness(heard, words)
    assert score > 0.9
    return at / 8


def test_a_call_is_greeted_led_talked_recorded_and_written_down(make):
    box = make()
    box.sign_in("1001", "801")
    caller = box.office.outside("Anna")
    caller.call(0, number="13800138000", name="Anna")
    box.until(lambda: box.line_state() == "ivr", 12)
    box.run(2.2)
    assert likeness(caller.heard(3.0), speech("queue-thankyou")[2000:12000])[0] > 0.95
    caller.press("1")
    box.until(lambda: box.phone("801").ringing)
    [pop] = box.of("pop")
    assert (pop["number"], pop["name"], pop["keys"], pop["agent"]) == ("13800138000", "Anna", "1", "1001")
    box.phone("801").lift()
    box.until(lambda: box.agent_state("1001") == "talking")
    box.run(0.3)

    words, reply = speech(CALLER_SAYS), speech(AGENT_SAYS)
    assert travel_ms(box, caller, box.phone("801"), words) <= 60
    assert travel_ms(box, box.phone("801"), caller, reply) <= 60

    caller.hang_up()
    box.until(lambda: box.records(), 10)
    [record] = box.records()
    assert (record["direction"], record["line"], record["agent"], record["keys"]) == ("in", "L1", "1001", "1")
    assert (record["caller_number"], record["end_reason"]) == ("13800138000", "caller_hangup")
    assert record["cue"] == "tone"
    assert record["started_at"] < record["answered_at"] < record["connected_at"] < record["ended_at"]
    assert abs(record["ended_at"] - box.engine.unix_s) < 3
    recording = box.recording(record)
    assert abs(len(recording) / 8000 - record["recording_s"]) < 0.001
    score_caller, at_caller = likeness(recording, words[4000:20000])
    score_agent, at_agent = likeness(recording, reply[4000:16000])
    assert score_caller > 0.9 and score_agent > 0.9
    assert at_caller < at_agent
    assert likeness(recording, speech("queue-thankyou")[2000:12000])[0] > 0.9


def test_the_number_is_known_before_the_call_is_answered(make):
    box = make()
    caller = box.office.outside("Anna")
    caller.call(0, number="13912345678", name="Anna")
    box.until(
        lambda: box.engine.snapshot()["calls"] and box.engine.snapshot()["calls"][0]["caller_number"], 8
    )
    assert box.line_state() == "ringing"


def test_keys_are_heard_through_a_prompt_and_its_echo(make):
    box = make(office={"line": {"erl_db": 6.0}}, prompts={"menu": speech("vm-options", "vm-intro")})
    box.sign_in("1001", "801")
    caller = box.office.outside("Anna")
    caller.call(0)
    box.until(lambda: box.line_state() == "ivr", 12)
    box.run(3.0)
    caller.press("1", on_ms=60, level_dbm0=-20.0)
    box.until(lambda: box.phone("801").ringing, 2)


def test_battery_drop_ends_the_call(make):
    box = make(office={"line": {"battery_drop_ms": 300, "disconnect_tone": "none"}})
    caller = connect(box)
    caller.hang_up()
    took_s = box.until(lambda: box.records(), 3)
    [record] = box.records()
    assert (record["end_reason"], record["cue"]) == ("caller_hangup", "battery")
    assert took_s < 1.5


def test_a_busy_tone_that_comes_back_from_the_telephone_still_ends_the_call(make):
    """The telephone's hybrid returns the tone to the line: whatever cancels echo must not keep it ringing."""
    box = make(office={"phone": {"erl_db": 6.0}, "line": {"erl_db": 10.0}})
    caller = connect(box)
    words = speech("vm-options", "tt-weasels", "vm-intro", "vm-options", "tt-monkeysintro")
    caller.say(words)
    box.phone("801").say(np.roll(words, 40000))
    box.run(20)
    caller.hang_up()
    box.until(lambda: box.records(), 3)
    assert box.records()[0]["cue"] == "tone"


def test_an_unplugged_line_is_told_and_comes_back(make):
    box = make()
    box.run(0.5)
    box.office.line(0).unplug()
    took_s = box.until(lambda: box.line_state() == "fault", 3)
    assert 0.9 < took_s < 1.5
    box.office.line(0).plug()
    box.until(lambda: box.line_state() == "idle", 2)


def test_a_port_that_vanishes_ends_its_call_and_no_other(make):
    box = make()
    first = connect(box, 0, "801", "1001", "Anna")
    second = connect(box, 1, "802", "1002", "Berta", "13900139000")
    box.office.vanish(0, "the card was pulled out")
    box.until(lambda: box.records(), 3)
    [record] = box.records()
    assert (record["line"], record["end_reason"]) == ("L1", "line_lost")
    assert record["recording"]
    words = speech(CALLER_SAYS)
    assert travel_ms(box, second, box.phone("802"), words) <= 60
    box.office.restore(0)
    first.hang_up()
    box.until(lambda: box.line_state() == "idle", 3)


def test_a_call_goes_through_without_control_and_everything_arrives_later(make):
    box = make(listening=False)
    box.run(0.2)
    box.listening = True
    box.sign_in("1001", "801")
    box.listening = False
    caller = box.office.outside("Anna")
    caller.call(0, number="13800138000")
    box.until(lambda: box.line_state() == "ivr", 12)
    box.run(0.5)
    caller.press("1")
    box.until(lambda: box.phone("801").ringing)
    box.phone("801").lift()
    box.run(2)
    caller.hang_up()
    box.until(lambda: list(box.home.spool.glob("*.json")) and not box.engine.snapshot()["calls"], 12)
    assert not box.of("record")
    box.listening = True
    box.engine.connected()
    box.until(lambda: box.records(), 1)
    assert box.of("live")
    [record] = box.records()
    assert record["caller_number"] == "13800138000"
    box.engine.command({"cmd": "ack", "id": record["id"]})
    box.run(0.1)
    assert not list(box.home.spool.glob("*.json"))


def test_an_unanswered_question_does_not_hold_up_the_call(make):
    box = make()
    connect(box)
    asked = box.of("ask")
    assert [ask["question"] for ask in asked] == ["caller"]
    assert asked[0]["data"]["number"] == "13800138000"


def test_a_recording_folder_that_cannot_be_used_costs_one_notice(make):
    box = make()
    (box.home.recordings / "2023").write_text("a file where the folder should be")
    first = connect(box, 0, "801", "1001", "Anna")
    second = connect(box, 1, "802", "1002", "Berta")
    words = speech(CALLER_SAYS)
    assert travel_ms(box, first, box.phone("801"), words) <= 60
    first.hang_up()
    second.hang_up()
    box.until(lambda: len(box.records()) == 2, 10)
    assert box.notices().count("recording_failed") == 1
    for record in box.records():
        assert record["recording"] == "" and "recording: none" in record["detail"]
        assert record["end_reason"] == "caller_hangup"


def test_a_disk_that_fills_up_in_a_call_does_not_touch_the_call(make, monkeypatch):
    box = make()
    caller = connect(box)
    box.run(2)

    def full(self, samples):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(wavfile.GrowingWav, "append", full)
    words = speech(CALLER_SAYS)
    assert travel_ms(box, caller, box.phone("801"), words) <= 60
    caller.hang_up()
    box.until(lambda: box.records(), 10)
    [record] = box.records()
    assert "the disk is full" in record["detail"]
    assert 0 < record["recording_s"] < record["talk_s"] + 10
    assert len(box.recording(record)) / 8000 == pytest.approx(record["recording_s"])


def test_a_missing_prompt_is_named_and_the_call_goes_on(make):
    flow = json.loads(json.dumps(FLOW))
    flow["nodes"]["greeting"]["prompt"] = "not_recorded_yet"
    box = make(plan=plan_data(flows=[flow]))
    connect(box)
    [notice] = [n for n in box.of("notice") if n["code"] == "prompt_failed"]
    assert "not_recorded_yet" in notice["data"]["error"]


def test_an_agent_calls_out_and_the_answer_is_inferred_from_the_voice(make):
    box = make()
    party = box.office.subscriber(
        "13700137000", "answer", answer_after_s=9.0, say=speech("tt-weasels", "vm-intro"), name="Carl"
    )
    box.sign_in("1001", "801")
    phone = box.phone("801")
    phone.lift()
    box.run(0.5)
    assert np.abs(phone.listen()).max() > 500, "dial tone"
    phone.press("913700137000")
    box.until(lambda: party.state == "ringing", 20)
    phone.say(speech("vm-intro"))
    box.run(4)
    assert box.line_state() in ("dialling", "out_ringing"), "the agent's own voice is no answer"
    box.until(lambda: party.state == "talking", 10)
    took_s = box.until(lambda: box.line_state() in ("talking", "out_talking"), 4)
    assert took_s < 2.0
    assert travel_ms(box, phone, party, speech(AGENT_SAYS)) <= 60
    phone.hang_up()
    box.until(lambda: box.records(), 5)
    [record] = box.records()
    assert (record["direction"], record["called_number"]) == ("out", "13700137000")
    assert (record["answer_seen"], record["end_reason"]) == ("inferred", "agent_hangup")
    assert record["recording"]


def test_an_agent_calls_out_on_a_line_that_shows_the_answer(make):
    data = plan_data()
    for line in data["lines"]:
        line["polarity"] = True
    box = make(plan=data, office={"line": {"polarity_reversal": True, "disconnect_tone": "none"}})
    party = box.office.subscriber("13700137000", "answer", answer_after_s=5.0, hang_up_after_s=4.0)
    box.sign_in("1001", "801")
    phone = box.phone("801")
    phone.lift()
    box.run(0.5)
    phone.press("913700137000")
    box.until(lambda: party.state == "talking", 30)
    box.run(1.0)
    box.until(lambda: box.records(), 8)
    [record] = box.records()
    assert record["answer_seen"] == "seen"
    assert (record["end_reason"], record["cue"]) == ("caller_hangup", "polarity")


def test_a_busy_number_is_seen_as_busy(make):
    box = make()
    box.office.subscriber("13700137000", "busy")
    box.sign_in("1001", "801")
    box.phone("801").lift()
    box.run(0.5)
    box.phone("801").press("913700137000")
    box.until(lambda: box.records(), 30)
    [record] = box.records()
    assert record["end_reason"] == "busy"


def test_a_damaged_plan_changes_nothing_and_says_what_is_wrong(make):
    box = make()
    box.engine.command({"cmd": "plan", "plan": {"lines": [{"id": "L1"}], "colour": 3}})
    box.run(0.1)
    [notice] = [n for n in box.of("notice") if n["code"] == "plan_refused"]
    assert notice["data"]["problems"]
    connect(box)


def test_a_new_plan_takes_effect_and_is_kept_as_the_last_good_one(make):
    box = make()
    data = plan_data(lines=1)
    data["lines"].append({"id": "L2", "port": "sim/99"})
    box.engine.command({"cmd": "plan", "plan": data})
    box.run(0.1)
    assert box.line_state("L2") == "fault"
    assert json.loads(box.home.good_plan.read_text()) == data


def test_a_line_moved_from_a_dead_socket_to_a_live_one_works_at_once(make):
    box = make()
    box.office.line(0).unplug()
    box.until(lambda: box.line_state("L1") == "fault", 3)
    data = plan_data()
    data["lines"] = [{"id": "L1", "port": "sim/1"}]
    box.engine.command({"cmd": "plan", "plan": data})
    box.run(0.1)
    assert box.line_state("L1") == "idle"


def test_a_line_taken_out_of_the_plan_in_a_call_ends_its_call_first(make):
    box = make()
    caller = connect(box)
    data = plan_data()
    data["lines"][0]["id"] = "L9"
    box.engine.command({"cmd": "plan", "plan": data})
    box.run(0.5)
    assert travel_ms(box, caller, box.phone("801"), speech(CALLER_SAYS)) <= 60
    caller.hang_up()
    box.until(lambda: box.records(), 5)
    box.until(lambda: box.office.line(0).state == "idle", 2)
    box.phone("801").hang_up()
    assert box.records()[0]["line"] == "L1"
    caller.call(0, number="13800138000")
    box.until(lambda: box.line_state("L9") == "ivr", 12)


def test_commands_that_make_no_sense_hurt_nobody(make):
    box = make()
    for message in ({}, {"cmd": "desk"}, {"cmd": "what"}, {"cmd": "answer", "ref": "x"}, {"cmd": "plan"}):
        box.engine.command(message)
    box.engine.command({"cmd": "desk", "ref": 5, "verb": "ready"})
    box.run(0.1)
    assert {"ref": 5, "error": "bad_request", "data": {}} in box.of("reply")
    connect(box)


def test_the_same_day_twice_gives_the_same_records_and_samples(tmp_path):
    seen = []
    for name in "ab":
        box = Box(tmp_path / name)
        caller = connect(box)
        caller.say(speech(CALLER_SAYS)[:16000])
        box.run(3)
        caller.hang_up()
        box.until(lambda box=box: box.records(), 10)
        [record] = box.records()
        seen.append((record, box.recording(record).tobytes()))
        box.close()
    assert seen[0] == seen[1]


def test_stopping_in_a_call_closes_its_recording_and_its_record(tmp_path):
    box = Box(tmp_path)
    caller = connect(box)
    caller.say(speech(CALLER_SAYS))
    box.run(2.5)
    box.close()
    [path] = box.home.recordings.rglob("*.wav")
    assert path.stat().st_size > 44 + 2 * 2.5 * 8000
    assert not list(box.home.spool.glob("*.recording"))
    [record] = box.records()
    assert record["end_reason"] == "error" and "stopped" in record["detail"]
    assert record["recording_s"] == pytest.approx(record["ended_at"] - record["answered_at"], abs=0.1)
    assert record["talk_s"] == pytest.approx(2.8, abs=0.2)


@pytest.mark.parametrize("talking", [False, True])
def test_a_call_in_which_the_engine_is_killed_has_record_and_recording(make, tmp_path, talking):
    """Though control has taken over the early record of the call, and in the menu already."""
    box = make()
    if talking:
        connect(box)
    else:
        box.office.outside("Anna").call(0, number="13800138000")
        box.until(lambda: box.line_state() == "ivr", 12)
    for early in box.of("record"):
        box.engine.command({"cmd": "ack", "id": early["id"]})
    box.run(2.5)
    [call] = box.engine.snapshot()["calls"]

    again = make()  # the first one never got to say goodbye
    again.engine.connected()
    again.run(0.1)
    [record] = again.records()
    assert record["id"] == call["id"] and record["caller_number"] == "13800138000"
    assert record["end_reason"] == "error" and record["detail"] == "the engine stopped during this call"
    assert len(again.recording(record)) == round(record["recording_s"] * 8000) >= 2 * 8000
    assert (record["talk_s"] > 0) == talking
    again.engine.command({"cmd": "ack", "id": call["id"]})
    again.run(0.1)
    assert not list(again.home.spool.iterdir())


def test_what_a_desk_is_answered_has_dates_like_the_live_picture(make):
    box = make()
    box.run(1.0)
    answered = box.desk("1001", "sign_in", phone="801")["data"]["agent"]
    [shown] = [row for row in box.engine.snapshot()["agents"] if row["number"] == "1001"]
    assert answered["since"] == shown["since"] > 1.6e9


def test_every_time_in_the_live_picture_is_a_date_and_nothing_else_is_changed(make):
    box = make()
    caller = connect(box)
    box.run(0.5)
    waiting = box.office.outside("Bert")
    waiting.call(1, number="13900139000")
    box.until(lambda: len(box.engine.snapshot()["calls"]) == 2, 5)
    box.until(lambda: box.line_state("L2") == "ivr", 12)
    box.run(2.5)
    waiting.press("1")
    box.until(lambda: box.line_state("L2") == "queued", 5)
    caller.hang_up()
    box.until(lambda: box.agent_state("1001") == "wrap_up", 8)
    core_picture, picture = box.engine.switch.snapshot(box.engine.now), box.engine.snapshot()
    assert picture.keys() == core_picture.keys()
    assert picture["now"] == pytest.approx(box.engine.unix_s, abs=0.001)
    dated = set()
    for table in ("lines", "phones", "agents", "queues", "calls"):
        for row, plain in zip(picture[table], core_picture[table], strict=True):
            assert row.keys() == plain.keys()
            for key, value in plain.items():
                if key in unixtime.SNAPSHOT_TIMES and value is not None:
                    dated.add(key)
                    assert row[key] == round(value + box.engine.unix_s - box.engine.now, 3) > 1.6e9
                else:
                    assert row[key] == value
                    assert not isinstance(value, float), f"{table}: is {key} a time?"
    assert dated == unixtime.SNAPSHOT_TIMES - {"now"}


def test_a_clock_that_jumps_changes_dates_and_no_durations(make):
    """An agent's wrap-up, the limits of calls and the lengths in records go by the samples."""
    box = make(plan=plan_data(queues=[{"id": "sales", "name": "Sales", "wrap_up_s": 3}]))
    caller = connect(box)
    live = len(box.of("live"))
    box.engine.wall_clock = lambda clock=box.engine.wall_clock: clock() + 86400
    box.run(1.0)
    assert len(box.of("live")) > live, "desks learn the new dates at once"
    caller.hang_up()
    box.until(lambda: box.records(), 8)
    [record] = box.records()
    assert record["talk_s"] < 10 and record["ended_at"] - record["started_at"] < 30
    assert record["started_at"] > box.of("record")[0]["record"]["started_at"] + 86000
    assert box.agent_state("1001") == "wrap_up"
    box.phone("801").hang_up()
    assert box.until(lambda: box.agent_state("1001") == "ready", 4) > 1.0
