"""Cards with crystals of their own in one tick: no click, no growing delay, everything counted."""

import numpy as np
import pytest
from clock_bench import PEAK, phases, worst_click
from hypothesis import given, settings
from hypothesis import strategies as st

from board import api
from board.api import BoardError
from board.clocks import TARGET_SAMPLES, Clocks
from board.drift import DriftMeter
from board.resample import Resampler

BLOCK = api.BLOCK_SAMPLES


class World:
    """True time; it passes while the leader is waited for."""

    def __init__(self):
        self.now_s = 0.0


class CrystalCard:
    """Hears a tone of `hear_hz` (in true time) on all ports, and keeps what it plays on port 0."""

    def __init__(self, world, ppm, name="card", ports=2, hear_hz=100.0, coarse=False):
        self.world, self.ppm, self.id, self.hear_hz = world, ppm, name, hear_hz
        self.caps = api.CardCaps()
        self.ports = tuple(api.PortInfo(i, api.PortKind.FXS, f"{name}/{i}") for i in range(ports))
        self.clock = 0
        self.played = []
        self.events = []
        self.stalled = False
        self.broken = ""
        self.lose = 0
        if coarse:
            self.waiting = lambda: 0

    @property
    def rate(self):
        return 8000 * (1 + self.ppm * 1e-6)

    def _captured(self):
        return int(self.world.now_s * self.rate)

    def wait(self, timeout_s):
        if self.broken:
            raise BoardError(self.broken)
        if self.stalled:
            self.world.now_s += timeout_s
            return False
        due_s = (self.clock + BLOCK) / self.rate + 1e-9
        if due_s <= self.world.now_s + timeout_s:
            self.world.now_s = max(self.world.now_s, due_s)
            return True
        self.world.now_s += timeout_s
        return False

    def waiting(self):
        return self._captured() - self.clock

    def read(self):
        lost, self.lose = self.lose, 0
        self.clock += lost
        times_s = (self.clock + np.arange(BLOCK)) / self.rate
        audio = np.rint(PEAK * np.sin(2 * np.pi * self.hear_hz * times_s)).astype(np.int16)
        events, self.events = tuple(self.events), []
        tick = api.Tick(self.clock, np.tile(audio, (len(self.ports), 1)), events, lost)
        self.clock += BLOCK
        return tick

    def write(self, audio):
        self.played.append(audio[0].copy())

    def close(self):
        pass


def run(boards, ticks, say_hz=100.0):
    """Ticks of an engine that says a tone; returns what it heard of each card [cards, samples]."""
    heard = [[] for _ in boards]
    for number in range(ticks):
        for card, board in enumerate(boards):
            heard[card].append(board.read().audio[0])
        tone = PEAK * np.sin(2 * np.pi * say_hz * (number * BLOCK + np.arange(BLOCK)) / 8000)
        block = np.rint(tone).astype(np.int16)
        for board in boards:
            board.write(np.tile(block, (len(board.ports), 1)))
    return [np.concatenate(one).astype(np.float64) for one in heard]


@pytest.mark.parametrize(("leader_ppm", "follower_ppm", "minutes"), [(0, 100, 10), (50, -50, 2)])
def test_drift_of_100_ppm_makes_no_click_and_no_growing_delay(leader_ppm, follower_ppm, minutes):
    world = World()
    leader = CrystalCard(world, leader_ppm, "a")
    follower = CrystalCard(world, follower_ppm, "b", ports=1)
    clocks = Clocks([leader, follower])
    near, heard = run(clocks.boards, minutes * 60 * 50)
    settled = 8000
    # From the follower: the tone of true time, in the leader's samples, like the leader hears it itself.
    delay_ms = (phases(near, 100) - phases(heard, 100))[20:] * 10
    assert np.ptp(delay_ms) < 3.0, "the delay moved"
    assert abs(delay_ms[-600:].mean() - delay_ms[600:1200].mean()) < 0.5, "the delay grew"
    assert worst_click(heard[settled:], 100 / (1 + leader_ppm * 1e-6)) < 1e-3
    # To the follower: the tone of the leader's time, in the follower's samples.
    played = np.concatenate(follower.played).astype(np.float64)[settled:]
    hz = 100 * (1 + leader_ppm * 1e-6) / (1 + follower_ppm * 1e-6)
    assert worst_click(played, hz) < 1e-3
    assert np.ptp(phases(played, hz)) * 10 < 3.0
    health = clocks.health()[1]
    assert (health["slips"], health["underruns"], health["play_underruns"]) == (0, 0, 0)
    assert health["drift_ppm"] == pytest.approx(follower_ppm - leader_ppm, abs=3)
    assert 4 < health["fill_ms"] < TARGET_SAMPLES / 8


def test_speech_band_passes_unharmed():
    for hz in (300.0, 1000.0, 3400.0):
        world = World()
        clocks = Clocks([CrystalCard(world, 0, "a", hear_hz=hz), CrystalCard(world, 80, "b", hear_hz=hz)])
        _, heard = run(clocks.boards, 500)
        # A pure tone is foretold by its last two samples, whatever its exact pitch just then.
        for piece in heard[-16000:].reshape(20, 800):
            factor = (piece[2:] + piece[:-2]) @ piece[1:-1] / (piece[1:-1] @ piece[1:-1])
            rest = piece[2:] + piece[:-2] - factor * piece[1:-1]
            assert np.sqrt(np.mean(rest**2)) < 1e-3 * PEAK, hz
            assert np.sqrt(np.mean(piece**2)) == pytest.approx(PEAK / np.sqrt(2), rel=0.01)


def test_cards_that_only_count_whole_blocks_are_held_too():
    world = World()
    clocks = Clocks([CrystalCard(world, 0, "a", coarse=True), CrystalCard(world, 100, "b", coarse=True)])
    _, heard = run(clocks.boards, 2 * 60 * 50)
    assert worst_click(heard[8000:], 100) < 1e-3
    health = clocks.health()[1]
    assert (health["slips"], health["underruns"], health["play_underruns"]) == (0, 0, 0)


def test_an_event_keeps_its_place_in_the_sound():
    world = World()
    leader, follower = CrystalCard(world, 0, "a"), CrystalCard(world, 30, "b")
    follower.read_plain = follower.read

    def read():
        tick = follower.read_plain()
        at = tick.clock + 40
        mark = np.zeros_like(tick.audio)
        mark[:, 40] = 20000
        return api.Tick(tick.clock, mark, (api.OffHook(0, at),)) if tick.clock == 60 * BLOCK else tick

    follower.read = read
    boards = Clocks([leader, follower]).boards
    for _ in range(100):
        boards[0].read()
        tick = boards[1].read()
        for event in tick.events:
            loudest = tick.clock + int(np.argmax(tick.audio[0]))
            assert tick.audio[0].max() > 5000, "the event came with another block than its sound"
            assert abs(event.clock - loudest) <= 2
            return
        for board in boards:
            board.write(np.zeros((2, BLOCK), np.int16))
    raise AssertionError("the event never came")


def test_a_follower_that_stops_is_silent_and_counted_and_its_loss_harms_nobody():
    world = World()
    leader, follower = CrystalCard(world, 0, "a"), CrystalCard(world, 0, "b")
    clocks = Clocks([leader, follower])
    run(clocks.boards, 20)
    follower.stalled = True
    near, heard = run(clocks.boards, 20)
    assert not heard[-BLOCK:].any() and near[-BLOCK:].any()
    assert clocks.health()[1]["underruns"] >= 15
    follower.stalled = False
    _, heard = run(clocks.boards, 50)
    assert heard[-BLOCK:].any()
    assert clocks.health()[1]["slips"] >= 1  # what had piled up was left out
    follower.broken = "pulled out"
    with pytest.raises(BoardError, match="pulled out"):
        clocks.boards[1].read()
    run(clocks.boards[:1], 10)


def test_when_the_leader_stops_or_is_lost_another_card_paces():
    world = World()
    leader, follower = CrystalCard(world, 0, "a"), CrystalCard(world, 20, "b")
    clocks = Clocks([leader, follower])
    run(clocks.boards, 20)
    leader.stalled = True
    began_s = world.now_s
    _, heard = run(clocks.boards, 50)
    assert clocks.leader is clocks.boards[1]
    assert world.now_s - began_s == pytest.approx(1.0, abs=0.15), "the tick must go on at its pace"
    assert heard[-BLOCK:].any()
    leader.stalled = False
    near, _ = run(clocks.boards, 50)
    assert near[-BLOCK:].any(), "the card that came to itself follows"
    follower.broken = "pulled out"
    with pytest.raises(BoardError):
        clocks.boards[1].read()
    assert clocks.leader is clocks.boards[0]
    near = run(clocks.boards[:1], 50)[0]
    assert near[-BLOCK:].any()


def test_samples_that_a_card_lost_do_not_look_like_drift():
    world = World()
    follower = CrystalCard(world, 0, "b")
    clocks = Clocks([CrystalCard(world, 0, "a"), follower])
    run(clocks.boards, 30 * 50)
    follower.stalled = True
    run(clocks.boards, 5)
    follower.stalled, follower.lose = False, 4 * BLOCK  # it tells of a block less than it lost
    follower.clock += BLOCK
    run(clocks.boards, 30 * 50)
    health = clocks.health()[1]
    assert health["lost_samples"] == 4 * BLOCK
    assert abs(health["drift_ppm"]) < 5


def test_a_card_that_cannot_follow_leads():
    world = World()
    blind, other = CrystalCard(world, 0, "b"), CrystalCard(world, 0, "a")
    type_without_wait = type("Blind", (), {k: v for k, v in CrystalCard.__dict__.items() if k != "wait"})
    blind.__class__ = type_without_wait
    clocks = Clocks([other, blind])
    assert clocks.leader.id == "b"


def test_how_late_a_card_plays_is_known_only_while_it_leads():
    world = World()
    cards = [CrystalCard(world, 0, name) for name in ("a", "b")]
    for card in cards:
        card.echo_blocks = 2
    clocks = Clocks(cards)
    late = {board.id: board.echo_blocks for board in clocks.boards}
    assert late == {name: 2 if name == clocks.leader.id else 0 for name in ("a", "b")}


@settings(max_examples=25, deadline=None)
@given(st.floats(-400, 400), st.integers(1, 5))
def test_the_fit_finds_any_drift(ppm, jitter):
    meter = DriftMeter()
    rng = np.random.default_rng(3)
    for tick in range(2000):
        leader = tick * BLOCK
        meter.note(leader, leader * (1 + ppm * 1e-6) + jitter * rng.standard_normal())
    assert meter.ppm == pytest.approx(ppm, abs=1.0 + jitter)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0.9995, 1.0005), min_size=3, max_size=30))
def test_a_ratio_that_changes_leaves_no_step(ratios):
    """A tone read at any sequence of ratios is the tone at those places."""
    one = Resampler(1)
    tone = PEAK * np.sin(2 * np.pi * 440 * np.arange(BLOCK * (len(ratios) + 2)) / 8000)
    one.push(tone[None, :].astype(np.float32))
    place = -16.0
    for ratio in ratios:
        places = place + ratio * np.arange(BLOCK)
        got = one.pull(BLOCK, ratio)[0]
        place += BLOCK * ratio
        inside = places > 20
        wanted = PEAK * np.sin(2 * np.pi * 440 * places / 8000)
        assert np.abs(got - wanted)[inside].max(initial=0.0) < 20
