"""A fax or modem gets the line nearly as it is: no gain but a fixed loss, and no echo cancelled where it asks
for that. A fax that passes between a line and a telephone arrives bit by bit."""

import numpy as np
import pytest

from tests import fax
from tests.engine.engine_box import Box, plan_data, speech

T = np.arange(8000 * 4) / 8000
WEAK = {"erl_db": 10.0, "phone_erl_db": 10.0}
"""Hybrids that return much."""


def answer_tone(reversals):
    sign = np.where((T // 0.45).astype(int) % 2, 1, -1) if reversals else 1
    return (6000 * sign * np.sin(2 * np.pi * 2100 * T)).astype(np.int16)


@pytest.mark.parametrize(
    ("sound", "modem"),
    [(answer_tone(True), True), (answer_tone(False), False), (speech("demo-instruct")[: 8000 * 4], False)],
    ids=["phase reversals", "plain answering tone", "speech"],
)
def test_phase_reversals_switch_the_echo_canceller_off_for_this_call(tmp_path, sound, modem):
    box = Box(tmp_path, 1, 1)
    row = box.engine.table.by_name("L1").row
    anna = box.office.outside("Anna")
    anna.call(0, number="13912345678")
    box.until(lambda: anna.state == "talking", 20)
    anna.say(sound)
    box.run(5)
    assert bool(box.engine.modems[row]) is modem
    assert bool(box.engine._echo_active[0]) is not modem
    anna.hang_up()
    box.until(lambda: box.line_state() == "idle", 20)
    box.run(5)
    anna.call(0, number="13912345678")
    box.until(lambda: anna.state == "talking", 20)
    box.run(1)
    assert not box.engine.modems[row] and box.engine._echo_active[0]
    box.close()


@pytest.fixture
def pages():
    rng = np.random.default_rng(7)
    return [fax.a_page(rng, 80) for _ in range(3)]


@pytest.mark.parametrize(
    "how",
    [
        {"inbound": True, "ecm": False},
        {"inbound": True, "ecm": True},
        {"inbound": False, "ecm": False},
        {"inbound": True, "ecm": False, "reversals": True},
        {"inbound": True, "ecm": False, "hybrids": WEAK},
    ],
    ids=["in", "in, error correction", "out", "in, answered with phase reversals", "in, weak hybrids"],
)
def test_a_fax_arrives_as_it_was_sent(tmp_path, pages, how):
    box = fax.a_box(tmp_path, **how.pop("hybrids", {}))
    found = fax.transfer(box, tmp_path, pages, **how)
    assert found.codes == (fax.DONE, fax.DONE) and found.bit_rate == 14400
    assert len(found.pages) == fax.alike(pages, found.pages) == len(pages)
    [record] = box.records()
    assert "fax" in [step["what"] for step in record["steps"]]
    assert not record["keys"], "no key is heard in a fax"
    box.close()


def test_a_caller_who_turns_out_to_be_a_fax_has_his_pages_taken_by_the_fax_machine(tmp_path, pages):
    box = fax.a_box(tmp_path, plan=plan_data(1, 1, fax={"extension": fax.EXTENSION}))
    found = fax.transfer(box, tmp_path, pages)
    assert len(found.pages) == fax.alike(pages, found.pages) == len(pages)
    box.close()


def cancels_in_bridges(engine):
    """Its echo canceller works on lines in conversations too, as it does on all others."""
    cancel, nobody = engine._cancel_echo, np.zeros(engine.rows, np.bool_)

    def cancel_everywhere():
        bridged, engine.hands.bridged = engine.hands.bridged, nobody
        cancel()
        engine.hands.bridged = bridged

    engine._cancel_echo = cancel_everywhere


def loses_nothing(engine):
    """What both hybrids return goes round as strong as it is."""
    mixer = engine.mixer
    plain = mixer.set_pair
    mixer.set_pair = lambda out, into, gain: plain(out, into, float(gain > 0))


@pytest.mark.parametrize(
    ("spoil", "ecm", "hybrids"),
    [(cancels_in_bridges, True, WEAK), (loses_nothing, False, WEAK)],
    ids=["echo cancelled", "no loss"],
)
def test_it_would_not_if_the_box_treated_it_as_a_conversation(tmp_path, pages, spoil, ecm, hybrids):
    box = fax.a_box(tmp_path, **hybrids)
    spoil(box.engine)
    found = fax.transfer(box, tmp_path, pages, ecm=ecm)
    assert found.codes != (fax.DONE, fax.DONE) or fax.alike(pages, found.pages) < len(pages)
    box.close()


def test_who_has_talked_with_a_fax_is_levelled_again_in_his_next_call(tmp_path):
    plan = plan_data(1, 1)
    plan["lines"][0] |= {"extension": "801", "automatic_gain": False}
    plan["phones"][0]["automatic_gain"] = True
    box = Box(tmp_path, 1, 1, plan=plan)
    anna, phone = box.office.outside("Anna"), box.phone("801")
    row = box.engine.table.by_name("801").row

    def gain_db(caller_says):
        anna.call(0, number="13912345678")
        box.until(lambda: phone.ringing, 20)
        phone.lift()
        box.until(lambda: box.engine.hands.bridges == 1, 10)
        anna.say(caller_says)
        box.run(4)
        phone.say((speech("demo-instruct") * 0.15).astype(np.int16))
        box.run(8)
        found = box.engine.levelling.gain_db(row)
        phone.hang_up()
        anna.hang_up()
        box.until(lambda: box.engine.idle, 20)
        box.run(3)
        return found

    assert gain_db(answer_tone(False)) == 0.0, "the line's fax is left alone, and who hears it"
    assert gain_db(np.zeros(8000, np.int16)) > 3
    box.close()
