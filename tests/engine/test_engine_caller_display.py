"""Telephones are told who calls: in their country's way, and never into somebody's ear.

The telephone set is the simulated office's; it decodes with code of its own.
"""

import numpy as np
import pytest

from appliance.core import events as core
from appliance.engine import ports
from appliance.engine.callerdisplay import Caller, CallerDisplays
from board import api
from board.registry import open_board
from board.sim.callerid import Presentation
from board.sim.display import Shown
from dsp.countries import tone_table

BLOCK = api.BLOCK_SAMPLES
UNIX_S = 1767574800.0
LI = Caller("13912345678", "Li Lei")


class Bench:
    """One telephone of the simulated office, rung by hand. late: blocks that sound takes longer."""

    def __init__(self, country="CN", can=None, late=0, **phone):
        config = {"country": country, "lines": 0, "phones": [phone]}
        self.board = open_board("sim:", config=config)
        self.set = self.board.office.phone(0)
        info = self.board.ports[0]
        if can is not None:
            info = api.PortInfo(0, info.kind, info.name, frozenset(can))
        self.port = ports.Port(0, 0, 0, info, "801")
        self.sent = []
        self.displays = CallerDisplays(self.send)
        self.samples = 0
        self.said = []
        self.late = late
        self.failures = []

    def send(self, port, command):
        self.sent.append(command)
        return self.board.command(0, command)

    def ring(self, who=LI, country="CN", cadence=None):
        self.port.ringing = True
        self.displays.ring(
            self.port, who, country, cadence or tone_table(country).ring_ms, UNIX_S, self.samples
        )

    def run(self, seconds):
        for _ in range(round(seconds * 50)):
            tick = self.board.read()
            self.samples += BLOCK
            for event in tick.events:
                at = self.samples - (tick.clock + BLOCK - event.clock)
                self.displays.note(self.port, event, at)
                if isinstance(event, api.CommandFailed):
                    self.failures.append(event.reason)
            said = np.zeros((1, BLOCK), np.float32)
            self.displays.add_to(said, self.samples)
            self.said.append(said[0])
            heard = self.said[-1 - self.late] if len(self.said) > self.late else np.zeros(BLOCK, np.float32)
            self.board.write(heard.astype(np.int16)[None])

    def until(self, condition, seconds=10.0):
        for _ in range(round(seconds * 50)):
            if condition():
                return
            self.run(0.02)
        raise AssertionError(f"not within {seconds} s")

    @property
    def sending(self):
        return bool(np.any(self.said[-1])) if self.said else False


@pytest.mark.parametrize("late", [0, 9])
@pytest.mark.parametrize("country", ["CN", "US", "HK", "DE"])
def test_number_name_and_time_are_shown_after_the_first_ring(country, late):
    bench = Bench(country, late=late)
    bench.ring(country=country)
    bench.until(lambda: bench.set.display.shown)
    shown = bench.set.display.shown
    assert (shown.number, shown.name, len(shown.time)) == ("13912345678", "Li Lei", 8)
    cadence = tone_table(country).ring_ms
    assert bench.set.ring_bursts == len(cadence) // 2  # the long pause is at the end of the cadence
    assert not bench.set.bell_on
    bench.run(12)
    assert bench.set.ring_bursts > 2
    assert bench.set.display.messages == 1
    assert not bench.failures


@pytest.mark.parametrize("late", [0, 9])
@pytest.mark.parametrize(("country", "network"), [("GB", "GB"), ("NL", "DE"), ("DK", "DE")])
def test_where_it_comes_before_the_ring_the_bell_waits_for_it(country, network, late):
    bench = Bench(network, late=late)
    bench.ring(country=country)
    bench.run(0.1)
    assert bench.set.port.reversed_
    bench.until(lambda: bench.set.display.shown)
    assert bench.set.display.shown.number == "13912345678"
    assert bench.set.display.shown.name == ("Li Lei" if country == "GB" else "")
    assert bench.set.ring_bursts == 0
    bench.until(lambda: bench.set.bell_on, 1.0)
    assert not bench.set.port.reversed_
    assert not bench.failures


def test_a_chinese_name_and_a_withheld_number():
    bench = Bench()
    bench.ring(Caller("02566668888", "南京云锦研究所"))
    bench.run(4)
    assert bench.set.display.shown.name == "南京云锦研究所"
    bench.displays.end(bench.port)
    bench.board.command(0, api.StopRinging())
    bench.run(1)
    bench.ring(Caller("02566668888", "南京云锦研究所", "withheld"))
    bench.run(4)
    shown = bench.set.display.shown
    assert (shown.number, shown.name, shown.presentation) == ("", "", Presentation.WITHHELD)


@pytest.mark.parametrize("country", ["CN", "GB"])
def test_lifting_during_the_message_ends_it_at_once(country):
    bench = Bench(country)
    bench.ring(country=country)
    bench.until(lambda: bench.sending)
    bench.run(0.5)
    bench.set.lift()
    bench.run(2)
    # Some milliseconds until the card is sure, and what was on its way.
    loud = np.abs(bench.set.ear.heard(2).astype(int)) > 1000
    assert loud.sum() < 0.06 * 8000
    assert bench.set.display.shown is None
    assert bench.set.display.damaged == (country == "CN")
    assert not bench.set.port.reversed_
    assert bench.port.in_use is False  # nobody has told the engine's port: the core does
    assert not bench.set.port.ringing


def test_lifting_while_the_bell_rings_sends_nothing():
    bench = Bench()
    bench.ring()
    bench.run(0.5)
    assert bench.set.bell_on
    bench.set.lift()
    bench.run(4)
    assert not np.any(bench.said)
    assert bench.sent == [api.StartRinging((1000, 4000))]


@pytest.mark.parametrize("country", ["CN", "GB"])
def test_a_call_given_up_during_the_message_shows_nothing_and_the_next_one_is_shown(country):
    bench = Bench(country)
    bench.ring(country=country)
    bench.until(lambda: bench.sending)
    bench.run(0.3)
    bench.displays.end(bench.port)
    bench.send(bench.port, api.StopRinging())
    bench.run(1)
    assert bench.set.display.shown is None
    assert not bench.sending
    assert not bench.set.port.reversed_
    bench.ring(Caller("10086"), country)
    bench.until(lambda: bench.set.display.shown)
    assert bench.set.display.shown.number == "10086"
    bench.run(4)
    assert bench.set.ring_bursts >= 1
    assert not bench.failures


def test_a_port_that_cannot_is_only_rung():
    bench = Bench(can={"polarity"})
    bench.ring(country="GB")
    bench.run(5)
    assert bench.sent == [api.StartRinging(tone_table("GB").ring_ms)]
    assert bench.set.ring_bursts > 0
    assert not np.any(bench.said)


def test_ringing_without_a_pause_is_only_rung():
    bench = Bench()
    bench.ring(cadence=(1000, 1000))
    bench.run(4)
    assert bench.sent == [api.StartRinging((1000, 1000))]


def test_a_port_that_goes_and_a_ringing_that_fails_are_not_talked_to():
    bench = Bench()
    bench.ring()
    bench.run(0.1)
    bench.board.office.vanish(0)
    bench.run(4)
    assert not np.any(bench.said)
    bench.ring()
    bench.run(4)
    assert bench.failures == ["the port is gone"]
    assert not np.any(bench.said)


def test_it_survives_a_long_poor_line():
    bench = Bench(loss_db=10.0, tilt_db=6.0, noise_dbm0=-45.0, hum_dbm0=-45.0)
    bench.ring()
    bench.run(4)
    assert bench.set.display.shown == Shown(
        "13912345678", "Li Lei", Presentation.SHOWN, bench.set.display.shown.time
    )


def test_a_telephone_keeps_its_port_when_an_extra_fails():
    port = ports.Port(0, 0, 0, Bench().board.ports[0], "801", commands={7: ports.OPTIONAL, 8: "ringing"})
    assert ports.translate(port, api.CommandFailed(0, 0, 7, "the driver cannot"), 0) == []
    lost = ports.translate(port, api.CommandFailed(0, 0, 8, "no"), 0)
    assert [type(event) for event in lost] == [core.PortLost, core.PortReady]
