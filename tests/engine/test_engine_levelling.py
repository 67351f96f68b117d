"""Callers are about equally loud for the agent; what is no voice is left as it is."""

import numpy as np
import pytest

from appliance.core.plan import Plan
from appliance.engine.levelling import Levelling
from appliance.engine.ports import Port
from appliance.engine.powers import Powers
from board.api import PortInfo, PortKind
from tests.engine.engine_box import Box, plan_data, speech

SPOKEN = speech("demo-instruct", "vm-instructions")[: 8000 * 14]


def loudness_db(samples):
    """Mean power of the louder half of the 20 ms frames."""
    frames = samples[: len(samples) // 160 * 160].astype(float).reshape(-1, 160)
    power = np.sort((frames**2).mean(axis=1))[len(frames) // 2 :]
    return 10 * np.log10(power.mean())


def straight(automatic=True, **sound):
    plan = plan_data(1, 1, sound=sound)
    plan["lines"][0] |= {"extension": "801", "automatic_gain": automatic}
    return plan


def talk(box, words):
    """Anna calls and says `words`; what the agent hears of her last seconds, and the recording's."""
    anna, phone = box.office.outside("Anna"), box.phone("801")
    anna.call(0, number="13912345678")
    box.until(lambda: phone.ringing, 20)
    phone.lift()
    box.until(lambda: box.engine.hands.bridges == 1, 10)
    box.run(1)
    anna.say(words)
    box.run(len(words) / 8000)
    heard = phone.ear.heard(4.0)
    gain_db = box.engine.levelling.gain_db(0)
    phone.hang_up()
    box.until(lambda: len(box.records()) == 1, 10)
    record = box.recording(box.records()[0])
    box.close()
    return heard, record[-len(heard) :], gain_db


@pytest.fixture
def heard_of(tmp_path):
    def make(level, **settings):
        plan = straight(**settings)
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        box = Box(folder, 1, 1, plan=plan)
        return talk(box, np.clip(SPOKEN * level, -32768, 32767).astype(np.int16))

    return make


def test_a_quiet_and_a_loud_caller_come_closer(heard_of):
    quiet, quiet_record, up_db = heard_of(0.15)
    loud, loud_record, down_db = heard_of(1.0)
    assert 3 < up_db <= 6 and -12 <= down_db < up_db
    apart_db = loudness_db(loud) - loudness_db(quiet)
    assert apart_db < 20 * np.log10(1.0 / 0.15) - 3, "and not the 16.5 dB that they really are apart"
    assert loudness_db(loud_record) - loudness_db(quiet_record) < apart_db + 2, "the recording has it too"


def test_the_limits_are_the_plans_and_a_line_may_do_without(heard_of):
    assert heard_of(0.15, most_gain_db=2.0)[2] == pytest.approx(2.0, abs=0.01)
    quiet, _, gain_db = heard_of(0.15, automatic=False)
    assert gain_db == 0.0
    assert loudness_db(heard_of(0.15)[0]) > loudness_db(quiet) + 2.5


def test_an_agent_who_speaks_alone_does_not_turn_up_the_callers_silence(tmp_path):
    box = Box(tmp_path, 1, 1, plan=straight())
    anna, phone = box.office.outside("Anna"), box.phone("801")
    anna.call(0, number="13912345678")
    box.until(lambda: phone.ringing, 20)
    phone.lift()
    box.until(lambda: box.engine.hands.bridges == 1, 10)
    phone.say(SPOKEN)
    box.run(12)
    assert box.engine.levelling.gain_db(0) == 0.0
    box.close()


def process(levelling, heard, said, bridged):
    return levelling.process(heard, Powers.of(heard, said), bridged)


def levelling(rows=2):
    found = Levelling(rows)
    box_plan = Plan.from_dict(plan_data(1, 1))

    class Named:
        def __init__(self, row, name):
            self.row, self.name = row, name

    found.use([Named(0, "L1"), Named(1, "801")], box_plan)
    return found


def test_without_a_conversation_nothing_is_touched_and_a_fax_never_is():
    both, nobody = np.ones(2, np.bool_), np.zeros(2, np.bool_)
    quiet = np.zeros((2, 160), np.float32)
    found = levelling()
    blocks = (SPOKEN.astype(np.float32) * 0.15)[: 8000 * 6].reshape(-1, 160)
    assert process(found, quiet, quiet, nobody) is quiet
    for block in blocks:
        process(found, np.stack([block, block]), quiet, both)
    assert found.gain_db(0) > 2 and found.gain_db(1) == 0.0
    found.leave_alone(0)
    heard = np.stack([blocks[0], blocks[0]])
    assert process(found, heard, quiet, both) is heard and found.gain_db(0) == 0.0
    found.restart(0)
    assert process(found, heard, quiet, both) is not heard


def test_new_limits_wait_until_nobody_talks():
    both, nobody = np.ones(2, np.bool_), np.zeros(2, np.bool_)
    quiet = np.zeros((2, 160), np.float32)
    found = levelling()
    process(found, quiet, quiet, nobody)
    for block in (SPOKEN.astype(np.float32) * 0.15)[: 8000 * 6].reshape(-1, 160):
        process(found, np.stack([block, block]), quiet, both)
    before = found.gain_db(0)
    found.use([], Plan.from_dict(plan_data(1, 1, sound={"most_gain_db": 1.0})))
    process(found, quiet, quiet, both)
    assert found.gain_db(0) == before
    process(found, quiet, quiet, nobody)
    assert found.gain_db(0) == 0.0


def test_a_wish_that_is_taken_back_during_a_conversation_is_forgotten():
    port = Port(0, 0, 0, PortInfo(0, PortKind.FXO, "sim/0"))
    port.name = "L1"
    levelling, silence, talking = Levelling(1), np.zeros((1, 160), np.float32), np.ones(1, np.bool_)
    levelling.use([port], Plan.from_dict(straight()))
    process(levelling, silence, silence, ~talking)
    for automatic in (False, True):  # while somebody talks
        levelling.use([port], Plan.from_dict(straight(automatic)))
    process(levelling, silence, silence, ~talking)
    for block in (SPOKEN[: 8000 * 10] * np.float32(0.15)).reshape(-1, 1, 160):
        process(levelling, block, silence, talking)
    assert levelling.gain_db(0) > 3
