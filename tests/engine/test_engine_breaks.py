"""A break of 100 ms: digit or R key, by what the set has shown itself to be."""

import pytest

from appliance.engine import ports
from appliance.engine.breaks import Breaks
from board import api

CAN = frozenset({"breaks"})


class Bench:
    def __init__(self, can=CAN):
        self.port = ports.Port(3, 0, 3, api.PortInfo(3, api.PortKind.FXS, "x/3", can), "801")
        self.said = []
        self.breaks = Breaks(lambda port, command: self.said.append(command.dialling))

    def lift(self):
        self.port.in_use = True
        self.breaks.note(self.port, api.OffHook(3, 0))
        self.breaks.dial_tone(self.port)

    def hang_up(self):
        self.port.in_use = False
        self.breaks.note(self.port, api.OnHook(3, 0))

    def pulses(self, digit):
        self.breaks.note(self.port, api.PulseDigit(3, 0, digit))


def test_a_set_with_a_dial_dials_ones_and_is_not_misread_in_a_conversation():
    bench = Bench()
    bench.lift()
    assert bench.said == [], "the card goes by its own lights"
    bench.pulses("1")
    assert bench.said == [], "it may have been an R key"
    bench.pulses("8")
    assert bench.said == [True]
    bench.breaks.no_digits(bench.port)
    assert bench.said == [True, False]
    bench.breaks.dial_tone(bench.port)
    bench.hang_up()
    bench.lift()
    assert bench.said == [True, False, True, True], "the card forgets with each hang-up"


def test_a_set_with_a_keypad_has_an_r_key_even_at_dial_tone():
    bench = Bench()
    bench.lift()
    bench.breaks.heard_key(bench.port)
    assert bench.said == [False]
    bench.hang_up()
    bench.lift()
    assert bench.said == [False, False]


def test_keys_of_the_far_end_say_nothing_of_the_set():
    bench = Bench()
    bench.lift()
    bench.pulses("5")
    bench.breaks.no_digits(bench.port)
    bench.breaks.heard_key(bench.port)
    bench.breaks.dial_tone(bench.port)
    assert bench.said == [True, False, True]


@pytest.mark.parametrize(("can", "lifted"), [(frozenset(), True), (CAN, False)])
def test_nobody_is_told_who_cannot_hear(can, lifted):
    bench = Bench(can)
    if lifted:
        bench.lift()
    bench.pulses("8")
    bench.breaks.no_digits(bench.port)
    assert bench.said == []
