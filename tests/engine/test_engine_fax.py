"""A fax or modem gets the line as it is: no gain, and no echo cancelled where it asks for that."""

import numpy as np
import pytest

from tests.engine.engine_box import Box, speech

T = np.arange(8000 * 4) / 8000


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
