"""A call from outside: ring, caller ID, menu, queue, talk, end."""

from core_office import Office

from appliance.core import actions as act
from appliance.core import events as ev


def test_a_caller_reaches_an_agent_and_the_record_tells_all():
    office = Office()
    office.given_signed_in(("1001", "801"))
    start = office.now
    office.when_call_arrives("L1", "13800001111", "Li")
    assert office.line_state("L1") == "ivr"
    office.then_plays("L1", "greeting")
    office.when_heard_to_the_end("L1")
    office.then_plays("L1", "menu_main")
    office.when_heard_to_the_end("L1")
    office.when_pressed("L1", "1")
    assert office.ringing == {"801"}
    assert office.agent_state("1001") == "ringing"
    pop = office.published("pop")[-1]
    assert (pop["agent"], pop["number"], pop["queue"], pop["keys"]) == ("1001", "13800001111", "sales", "1")
    office.pass_time(3.0)
    office.when_lifted("801")
    office.then_bridged("L1", "801")
    assert office.agent_state("1001") == "talking"
    assert list(office.early) == ["c1"]
    office.pass_time(60.0)
    office.when_caller_hangs_up("L1", "tone", latency_s=2.0)
    record = office.then_record(
        direction="in",
        line="L1",
        line_number="66660001",
        called_number="66660001",
        caller_number="13800001111",
        caller_name="Li",
        queue="sales",
        agent="1001",
        agents=["1001"],
        phone="801",
        keys="1",
        flow="main",
        end_reason="caller_hangup",
        cue="tone",
    )
    assert record["started_at"] == start
    assert abs(record["talk_s"] - 58.0) < 1e-6
    assert abs(record["wait_s"] - 3.1) < 1e-6
    assert record["ended_at"] == office.now - 2.0
    whats = [step["what"] for step in record["steps"]]
    assert whats == [
        "ring",
        "callerid",
        "answer",
        "node",
        "node",
        "key",
        "node",
        "queue",
        "offer",
        "connect",
        "hangup",
    ]
    assert not office.bridges and not office.off_hook_lines
    office.then_tone("801", "busy")
    assert office.agent_state("1001") == "wrap_up"
    office.when_hung_up("801")
    office.pass_time(16.0)
    assert office.agent_state("1001") == "ready"


def test_the_recording_runs_from_the_answer_to_the_end():
    office = Office()
    office.given_talk()
    starts = [a for a in office.actions if isinstance(a, act.StartRecording)]
    assert [(a.call, a.port) for a in starts] == [("c1", "L1")]
    office.when_hung_up("801")
    assert any(isinstance(a, act.StopRecording) and a.call == "c1" for a in office.actions)
    office.then_record(end_reason="agent_hangup")
    assert office.line_state("L1") == "idle"


def test_answers_at_the_ring_limit_without_caller_id():
    office = Office()
    office.step(ev.RingStarted("L1"))
    office.pass_time(1.0)
    office.step(ev.RingStopped("L1"))
    office.pass_time(4.0)
    assert office.line_state("L1") == "ringing"
    office.step(ev.RingStarted("L1"))
    assert office.line_state("L1") == "ivr"
    office.when_caller_hangs_up()
    office.then_record(end_reason="abandoned_ivr", caller_presentation="unavailable")
