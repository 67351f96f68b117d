"""A second DAHDI card has a crystal of its own and follows the first: no click, no growing delay."""

import numpy as np
import pytest
from clock_bench import delays_ms, tone, worst_click
from dahdi_fake_kernel import LINE, Device, FakeChannel, FakeKernel

from board.api import BLOCK_SAMPLES as BLOCK
from board.clocks import Clocks
from board.dahdi import DahdiBoard


class World(FakeKernel):
    """Two cards; time passes while the first is waited for. ppm: by how much the second runs faster."""

    def __init__(self, ppm):
        super().__init__(*_card("first"))
        self.other = FakeKernel(*_card("second"))
        self._step, self._due = 1 + ppm * 1e-6, 0.5

    def pass_ms(self):
        super().pass_ms()
        self._due += self._step
        while self._due >= 1.0:
            self._due -= 1.0
            now = self.other.now
            self.other.pass_ms()
            self.other.now = now
        self.other.now = self.now


def _card(name):
    channel = FakeChannel(1, 1, 1, LINE)
    channel.hear = lambda at, count: tone(100, at, count)
    return [channel], {name: Device(name, "", name, {1: 1}, 1)}


@pytest.mark.parametrize(("ppm", "minutes"), [(100, 10), (-100, 4), (0, 1)])
def test_ten_minutes_of_drift(ppm, minutes):
    world = World(ppm)
    first, second = DahdiBoard(kernel=world), DahdiBoard(kernel=world.other)
    clocks = Clocks([first, second])
    assert clocks.leader.inner is first
    heard = []
    for number in range(minutes * 60 * 50):
        ticks = [board.read() for board in clocks.boards]
        heard.append(ticks[1].audio[0])
        for board in clocks.boards:
            board.write(tone(100, number * BLOCK, BLOCK)[None])
    settled = 4000
    sound = np.concatenate(heard).astype(np.float64)[settled:]
    hz = 100 * (1 + ppm * 1e-6)
    assert worst_click(sound, hz) < 1e-3
    assert np.ptp(delays_ms(sound, hz)) < 25.0, "whole blocks are all that the kernel tells"
    played = np.frombuffer(b"".join(world.other.channels[1].played), np.int16).astype(np.float64)[settled:]
    hz = 100 / (1 + ppm * 1e-6)
    assert worst_click(played, hz) < 1e-3
    assert np.ptp(delays_ms(played, hz)) < 25.0
    health = clocks.health()[1]
    counted = {name: health[name] for name in ("slips", "underruns", "play_underruns", "lost_samples")}
    assert not any(counted.values()), counted
    assert not any(second.health().values()), second.health()
    assert abs(health["drift_ppm"] - ppm) < 80


def test_the_one_that_follows_leads_when_the_first_stops():
    world = World(50)
    clocks = Clocks([DahdiBoard(kernel=world), DahdiBoard(kernel=world.other)])
    for _ in range(50):
        for board in clocks.boards:
            board.read()
    del world.channels[1]
    world.other.poll, plain = (lambda timeout_ms: _passing(world, plain, timeout_ms)), world.other.poll
    sound = 0
    for _ in range(200):
        for board in clocks.boards:
            if board.alive:
                try:
                    tick = board.read()
                except Exception as error:
                    assert "removed" in str(error)
                    continue
                sound += board.inner is clocks.boards[1].inner and bool(tick.audio.any())
    assert clocks.leader is clocks.boards[1]
    assert sound > 180


def _passing(world, plain, timeout_ms):
    """Somebody waits for the second card: the same time passes for both."""
    for _ in range(int(timeout_ms) + 1):
        if ready := world.other._ready():
            return ready
        world.pass_ms()
    return []
