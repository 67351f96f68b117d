"""A modem in a call has a crystal of its own and follows the card that leads: no click, no growing delay."""

import numpy as np
import pytest
from at_bench import BenchTime, BenchWire
from clock_bench import delays_ms, tone, worst_click
from modem_emulator import LINEAR16, Modem

from board import api
from board.api import BLOCK_SAMPLES as BLOCK
from board.clocks import Clocks
from board.modem import ModemBoard
from board.modem.formats import FORMATS
from board.sim import OfficeConfig, SimBoard


class TimePace:
    """A block of the leader every 20 ms of the bench's time."""

    def __init__(self, time):
        self.time, self.due = time, time.now

    def wait(self):
        self.due += BLOCK / 8000
        self.time.wait([], self.due - self.time.now)


@pytest.mark.parametrize(("ppm", "minutes"), [(100, 10), (-100, 4)])
def test_minutes_of_drift(monkeypatch, ppm, minutes):
    form = FORMATS["s16"]
    modem = Modem(facts=LINEAR16, ends=(b"^",), code=(form.from_linear, form.to_linear), ppm=ppm)
    time = BenchTime(modem)
    monkeypatch.setattr("board.modem.card.SerialWire", lambda path: BenchWire(path, modem))
    said, at = [], [0]

    def incoming():
        at[0] += BLOCK
        return tone(100, at[0] - BLOCK, BLOCK)

    modem.incoming, modem.outgoing = incoming, said.append
    card = ModemBoard("/dev/ttyACM7", time=time)
    leader = SimBoard(OfficeConfig.from_dict({"lines": 0, "phones": 1}), pace=TimePace(time))
    clocks = Clocks([card, leader])
    assert clocks.leader.inner is leader, "a modem leads only when there is nothing else"
    paced = clocks.boards[0]
    paced.command(0, api.SetHook(True))
    heard = []
    try:
        for number in range(minutes * 60 * 50):
            for board in clocks.boards:
                tick = board.read()
                if board is paced:
                    heard.append(tick.audio[0])
            for board in clocks.boards:
                board.write(tone(100, number * BLOCK, BLOCK)[None])
    finally:
        card.close()
        modem.close()
    settled = 2 * 8000
    sound = np.concatenate(heard).astype(np.float64)[settled:]
    hz = 100 * (1 + ppm * 1e-6)
    assert worst_click(sound, hz) < 1e-3
    assert np.ptp(delays_ms(sound, hz)) < 25.0
    played = np.concatenate(said).astype(np.float64)[settled:]
    hz = 100 / (1 + ppm * 1e-6)
    assert worst_click(played, hz) < 1e-3
    assert np.ptp(delays_ms(played, hz)) < 25.0
    health = clocks.health()[0]
    assert (health["slips"], health["play_underruns"]) == (0, 0)
    assert health["device"] == {"slipped_samples": 0, "underruns": 0}
