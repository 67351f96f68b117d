"""Hold, retrieve, blind transfer, hanging up, and what the telephones hear."""

import pytest
from core_office import Office, a_plan

from appliance.core import actions as act
from appliance.core import events as ev
from appliance.core.plan import LinePlan


def test_hold_gives_the_caller_music_and_retrieve_brings_him_back():
    office = Office()
    office.given_talk()
    office.pass_time(10)
    assert office.desk("hold", "1001") == ""
    office.then_not_bridged("L1", "801")
    office.then_plays("L1", "music")
    assert (office.agent_state("1001"), office.line_state("L1")) == ("hold", "held")
    office.pass_time(5)
    assert office.desk("retrieve", "1001") == ""
    office.then_bridged("L1", "801")
    assert office.heard["L1"] is None
    assert office.agent_state("1001") == "talking"
    office.pass_time(7)
    office.when_hung_up("801")
    office.then_record(talk_s=17.0, hold_s=5.0, end_reason="agent_hangup")


def test_flash_holds_and_flash_retrieves():
    office = Office()
    office.given_talk()
    office.step(ev.Flashed("801"))
    office.then_tone("801", "dial")
    office.then_plays("L1", "music")
    office.step(ev.Flashed("801"))
    office.then_bridged("L1", "801")
    assert office.heard["801"] is None


def test_a_holder_who_forgets_gets_the_caller_back():
    office = Office()
    office.given_talk()
    office.step(ev.Flashed("801"))
    office.pass_time(15.1)
    office.then_bridged("L1", "801")


def test_hanging_up_on_somebody_on_hold_rings_again():
    office = Office()
    office.given_talk()
    office.desk("hold", "1001")
    office.when_hung_up("801")
    assert office.ringing == {"801"}
    office.then_plays("L1", "music")
    office.when_lifted("801")
    office.then_bridged("L1", "801")


def given_two(office):
    office.given_talk()
    office.given_signed_in(("1002", "802"))


@pytest.mark.parametrize("to", ["802", "1002"])
def test_blind_transfer_from_the_desk(to):
    office = Office()
    given_two(office)
    assert office.desk("transfer", "1001", to=to) == ""
    office.then_not_bridged("L1", "801")
    office.then_plays("L1", "music")
    assert office.ringing == {"802"}
    assert office.agent_state("1001") == "wrap_up"
    pop = office.published("pop")[-1]
    assert (pop["agent"], pop["number"], pop["keys"]) == ("1002", "13800001111", "1")
    office.when_hung_up("801")
    office.pass_time(3)
    office.when_lifted("802")
    office.then_bridged("L1", "802")
    office.pass_time(9)
    office.when_caller_hangs_up()
    office.then_record(agents=["1001", "1002"], agent="1002", phone="802", talk_s=10.0, hold_s=3.0)
    assert office.agent_state("1002") == "wrap_up"


def test_blind_transfer_by_flash_and_digits():
    office = Office()
    given_two(office)
    office.step(ev.Flashed("801"))
    office.when_pressed("801", "802")
    assert office.ringing == {"802"}
    office.then_tone("801", "confirm")
    office.when_lifted("802")
    office.then_bridged("L1", "802")


def test_transfer_to_a_queue():
    office = Office()
    office.given_talk()
    office.given_signed_in(("1003", "803"))
    assert office.desk("transfer", "1001", to="service") == ""
    assert office.ringing == {"803"}
    office.when_lifted("803")
    office.then_bridged("L1", "803")
    office.when_caller_hangs_up()
    office.then_record(queue="service", agent="1003")


def test_transfer_nobody_answers_returns_to_the_sender():
    office = Office()
    given_two(office)
    office.desk("transfer", "1001", to="802")
    office.when_hung_up("801")
    office.pass_time(20.1)
    assert office.ringing == {"801"}
    assert office.agent_state("1002") == "ready"
    office.when_lifted("801")
    office.then_bridged("L1", "801")
    assert office.agent_state("1001") == "talking"


def test_transfer_returns_at_once_to_a_sender_still_holding_the_handset():
    office = Office()
    given_two(office)
    office.desk("transfer", "1001", to="802")
    office.pass_time(20.1)
    office.then_bridged("L1", "801")
    assert office.heard["801"] is None


def test_transfer_when_nobody_wants_the_caller_goes_to_the_front_of_the_queue():
    office = Office()
    given_two(office)
    office.given_caller_in_queue("L2")
    office.when_lifted("802")
    office.when_hung_up("802")
    office.desk("not_ready", "1002", reason="lunch")
    office.desk("not_ready", "1001", reason="lunch")
    office.pass_time(20)
    office.given_caller_in_queue("L3")
    office.desk("transfer", "1001", to="802")
    office.when_hung_up("801")
    office.pass_time(40.3)
    positions = {call["line"]: call["position"] for call in office.calls() if call["position"]}
    assert positions == {"L1": 1, "L3": 2}
    office.then_plays("L1", "music")


@pytest.mark.parametrize(
    ("to", "code"),
    [
        ("nobody", "unknown_target"),
        ("801", "unknown_target"),
        ("1003", "not_signed_in"),
        ("802", "target_busy"),
        ("803", "phone_not_connected"),
    ],
)
def test_transfer_says_why_not_and_the_talk_goes_on(to, code):
    office = Office()
    office.given_talk()
    office.when_lifted("802")
    office.step(ev.PortLost("803", "cord"))
    assert office.desk("transfer", "1001", to=to) == code
    office.then_bridged("L1", "801")


def test_flash_transfer_to_a_busy_telephone_comes_back_after_a_tone():
    office = Office()
    office.given_talk()
    office.when_lifted("802")
    office.step(ev.Flashed("801"))
    office.when_pressed("801", "802")
    office.then_tone("801", "busy")
    office.pass_time(3.1)
    office.then_bridged("L1", "801")


def test_the_caller_hangs_up_during_a_transfer():
    office = Office()
    given_two(office)
    office.desk("transfer", "1001", to="802")
    office.when_caller_hangs_up("L1", "battery")
    assert not office.ringing
    office.then_record(end_reason="caller_hangup", cue="battery")
    assert office.agent_state("1002") == "ready"


def test_an_inside_call_can_be_handed_over():
    office = Office()
    office.when_dials("801", "802")
    office.when_lifted("802")
    office.step(ev.Flashed("801"))
    office.then_plays("802", "music")
    office.when_pressed("801", "803")
    office.when_lifted("803")
    office.then_bridged("802", "803")


def test_busy_tone_then_howler_after_the_caller_has_gone():
    office = Office()
    office.given_talk()
    office.when_caller_hangs_up()
    office.then_tone("801", "busy")
    office.pass_time(60.1)
    office.then_tone("801", "howler")
    assert office.agent_state("1001") == "phone_off"
    office.when_hung_up("801")
    assert office.heard["801"] is None
    assert office.agent_state("1001") == "ready"


def test_the_desk_can_hang_up():
    office = Office()
    office.given_talk()
    assert office.desk("hang_up", "1001") == ""
    office.then_record(end_reason="agent_hangup")
    assert office.desk("hang_up", "1001") == "no_call"


def test_a_supervisor_can_drop_any_call():
    office = Office()
    office.given_talk()
    assert office.desk("drop_call", "", call="c9") == "no_call"
    assert office.desk("drop_call", "", call="c1") == ""
    office.then_record(end_reason="forced")
    assert not office.off_hook_lines


def test_card_data_is_not_recorded():
    office = Office()
    office.given_talk()
    assert office.desk("record_pause", "1001") == ""
    assert office.desk("record_resume", "1001") == ""
    assert [a.paused for a in office.actions if isinstance(a, act.PauseRecording)] == [True, False]


def test_keys_in_a_conversation_are_private():
    office = Office()
    office.given_talk()
    office.when_pressed("L1", "4929")
    office.when_hung_up("801")
    office.then_record(keys="1")


def test_no_call_lasts_for_ever():
    office = Office(a_plan(max_call_s=600.0))
    office.given_talk()
    office.pass_time(600)
    office.then_record(end_reason="max_length")
    office.then_tone("801", "busy")


def test_the_line_vanishes_in_mid_call_and_others_talk_on():
    office = Office()
    office.given_talk("L1")
    office.given_signed_in(("1002", "802"))
    office.given_caller_in_queue("L2")
    office.when_lifted("802")
    office.step(ev.PortLost("L1", "card pulled"))
    office.then_record(line="L1", end_reason="line_lost", detail="card pulled")
    office.then_bridged("L2", "802")
    office.then_tone("801", "congestion")
    assert office.line_state("L1") == "fault"
    assert "line_lost" in office.notices()
    office.step(ev.PortReady("L1"))
    assert office.line_state("L1") == "idle"
    office.when_call_arrives("L1")
    assert office.line_state("L1") == "ivr"


def test_the_telephone_vanishes_in_mid_call_and_the_caller_is_kept():
    office = Office()
    office.given_talk()
    office.step(ev.PortLost("801", "cord"))
    assert office.line_state("L1") == "queued"
    office.then_plays("L1", "music")
    assert (office.agent_state("1001"), office.agent("1001")["reason"]) == ("phone_off", "phone_unavailable")
    office.given_signed_in(("1002", "802"))
    office.when_lifted("802")
    office.then_bridged("L1", "802")


def test_a_straight_caller_whose_telephone_vanishes_is_told():
    office = Office(a_plan(lines=(LinePlan("L1", "sim/0", extension="801"),)))
    office.when_call_arrives("L1")
    office.when_lifted("801")
    office.step(ev.PortLost("801", "cord"))
    office.then_plays("L1", "sorry_busy")
    office.when_heard_to_the_end("L1")
    office.then_record(end_reason="line_lost")


def test_music_that_cannot_be_played_becomes_ringback():
    office = Office()
    office.given_talk()
    office.desk("hold", "1001")
    office.when_heard_to_the_end("L1", error="no such file")
    office.then_tone("L1", "ringback")
    assert "prompt_failed" in office.notices()
