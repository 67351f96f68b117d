"""The card as the engine sees it: contract, faults, determinism, pace."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from board.api import (
    BatteryBack,
    BatteryLost,
    BoardError,
    CommandDone,
    CommandFailed,
    DialPulses,
    DropBattery,
    FlashHook,
    OffHook,
    PortBack,
    PortGone,
    PortKind,
    RingOff,
    RingOn,
    SetHook,
    SetPolarity,
    StartRinging,
    StopRinging,
)
from board.registry import open_board
from board.sim import OfficeConfig, OfficeError, SimBoard
from board.sim.pace import WallPace


def test_ports_are_lines_then_telephones(bench):
    b = bench(lines=3, phones=2)
    assert [(p.index, p.kind, p.name) for p in b.board.ports] == [
        (0, PortKind.FXO, "sim/0"),
        (1, PortKind.FXO, "sim/1"),
        (2, PortKind.FXO, "sim/2"),
        (3, PortKind.FXS, "sim/3"),
        (4, PortKind.FXS, "sim/4"),
    ]
    assert b.board.id == "sim"
    assert (b.board.caps.rate_hz, b.board.caps.block_samples) == (8000, 160)


def test_the_clock_counts_samples_and_nothing_is_lost(bench):
    b = bench()
    ticks = [b.board.read() for _ in range(5)]
    assert [t.clock for t in ticks] == [0, 160, 320, 480, 640]
    assert {t.audio.shape for t in ticks} == {(4, 160)}
    assert {t.audio.dtype for t in ticks} == {np.dtype(np.int16)}
    assert {t.lost for t in ticks} == {0}


def test_what_is_written_sounds_in_the_next_block_only(bench, sine):
    b = bench()
    phone = b.office.phone(2)
    phone.lift()
    b.run(0.1)
    b.run(0.02, {2: sine(1000, -10, 0.02)})
    assert np.abs(phone.listen()).max() > 3000
    b.run(0.04)
    assert np.abs(phone.listen()).max() < 50


def test_measurements_tell_the_state_of_a_line(bench):
    b = bench()
    idle = b.board.measure(0)
    assert (idle.volts, idle.milliamps, idle.reversed_, idle.off_hook) == (48.0, 0.0, False, False)
    b.take(0, 0.1)
    taken = b.board.measure(0)
    assert (taken.volts, taken.off_hook) == (8.0, True)
    assert taken.milliamps == pytest.approx(25.0)
    b.office.line(1).unplug()
    assert b.board.measure(1).volts == 0.0
    b.office.vanish(0)
    assert b.board.measure(0).volts is None


def test_wrong_use_gives_one_clear_error(bench):
    b = bench()
    with pytest.raises(BoardError, match=r"int16 samples \[4, 160\], not float64"):
        b.board.write(np.zeros((4, 160)))
    with pytest.raises(BoardError, match=r"\[4, 160\], not int16 \[4, 80\]"):
        b.board.write(np.zeros((4, 80), dtype=np.int16))
    with pytest.raises(BoardError, match="ports are 0 to 3"):
        b.board.command(4, SetHook(True))
    with pytest.raises(BoardError, match="ports are 0 to 3"):
        b.board.measure(-1)
    b.board.close()
    b.board.close()
    with pytest.raises(BoardError, match="closed"):
        b.board.read()


def test_unplugging_an_idle_line_is_seen_and_undone(bench):
    b = bench()
    line = b.office.line(0)
    line.unplug()
    line.unplug()
    b.run(1)
    line.plug()
    b.run(1)
    assert [type(e) for e in b.events] == [BatteryLost, BatteryBack]
    assert line.state == "idle"


def test_a_ring_is_not_seen_while_unplugged(bench):
    b = bench()
    anna = b.office.outside("Anna")
    anna.call(0, ring_delay_ms=0)
    b.run(0.5)
    b.office.line(0).unplug()
    b.run(6)
    assert [type(e) for e in b.events] == [RingOn, RingOff, BatteryLost]
    assert anna.state == "calling"
    b.office.line(0).plug()
    b.run(5)
    assert [type(e) for e in b.events][3:5] == [BatteryBack, RingOn]


def test_a_line_port_that_vanishes_drops_its_call_and_comes_back_idle(bench):
    b = bench()
    anna = b.office.outside("Anna")
    anna.call(0)
    b.run(1)
    b.take(0, 1)
    b.events.clear()
    b.office.vanish(0, "pulled")
    sound = b.run(1)[0]
    assert [(type(e), e.reason) for e in b.events] == [(PortGone, "pulled")]
    assert not sound.any()
    assert anna.state == "released"
    b.do(0, SetHook(True))
    b.run(0.1)
    assert b.seen(CommandFailed)[0].reason == "the port is gone"
    b.office.restore(0)
    b.run(1)
    assert isinstance(b.events[-1], PortBack)
    assert b.office.line(0).state == "idle"


def test_a_port_that_vanishes_fails_the_dialling_under_way(bench):
    b = bench()
    b.take(0, 1)
    number = b.do(0, DialPulses("5"))
    b.run(0.3)
    b.office.vanish(0)
    b.run(2)
    assert [e.command_id for e in b.seen(CommandFailed)] == [number]
    assert b.office.line(0).state == "idle"


def test_a_telephone_port_that_vanishes_is_quiet_and_notices_the_handset_later(bench):
    b = bench()
    phone = b.office.phone(2)
    b.do(2, StartRinging())
    b.run(0.5)
    b.office.vanish(2)
    b.run(0.1)
    assert not phone.ringing and not phone.bell_on
    phone.lift()
    b.run(1)
    assert isinstance(b.events[-1], PortGone)
    b.office.restore(2)
    b.run(0.5)
    assert [type(e) for e in b.events[-2:]] == [PortBack, OffHook]


def test_faults_on_ports_that_do_not_exist(bench):
    b = bench()
    with pytest.raises(OfficeError, match="ports are 0 to 3"):
        b.office.vanish(9)
    with pytest.raises(OfficeError, match="lines are 0 to 1"):
        b.office.line(2)


# --------------------------------------------------------------- determinism
def busy_hour(seed, impulses=()):
    """A short bustle; returns everything that came out."""
    config = OfficeConfig.from_dict(
        {"seed": seed, "lines": 2, "phones": 2, "line": {"polarity_reversal": True, "far_echo_db": -20.0}}
    )
    board = SimBoard(config)
    anna, phone = board.office.outside("Anna"), board.office.phone(2)
    rng = np.random.default_rng(3)
    audio, events = [], []
    for tick in range(400):
        if tick == 10:
            anna.call(0, number="13800138000")
        if tick == 150:
            board.command(0, SetHook(True))
            anna.say((rng.standard_normal(8000) * 1000).astype(np.int16))
        if tick == 160:
            phone.lift()
        if tick == 200:
            phone.pulse("3")
        if tick == 300:
            anna.hang_up()
        board.write((rng.standard_normal((4, 160)) * 500).astype(np.int16))
        got = board.read()
        audio.append(got.audio)
        events += got.events
    return np.concatenate(audio, axis=1), events, anna.heard(60)


def test_the_same_seed_and_calls_give_the_same_bits():
    first, again, other = busy_hour(5), busy_hour(5), busy_hour(6)
    assert np.array_equal(first[0], again[0])
    assert first[1] == again[1]
    assert np.array_equal(first[2], again[2])
    assert not np.array_equal(first[0], other[0])


COMMANDS = st.one_of(
    st.builds(SetHook, st.booleans()),
    st.builds(StartRinging, st.lists(st.integers(-5, 3000), max_size=4).map(tuple)),
    st.just(StopRinging()),
    st.builds(FlashHook, st.integers(-10, 3000)),
    st.builds(DialPulses, st.text("0189x", max_size=3)),
    st.builds(SetPolarity, st.booleans()),
    st.builds(DropBattery, st.integers(-10, 500)),
)
PEOPLE = st.sampled_from(
    ["call", "hang_up", "lift", "down", "unplug", "plug", "vanish", "restore", "answer", "wait"]
)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.one_of(st.tuples(st.integers(0, 2), COMMANDS), st.tuples(st.integers(0, 2), PEOPLE)), max_size=40
    ),
    st.integers(1, 40),
)
def test_no_sequence_of_commands_and_deeds_breaks_the_card(steps, ticks):
    config = {
        "lines": [{"battery_drop_ms": 100, "callerid": "dtmf", "callerid_polarity": True}, {"glare": True}],
        "phones": 1,
    }
    board = open_board("sim:", config=config)
    office = board.office
    anna = office.outside("Anna")
    office.subscriber("1", "manual")
    given_out, answers, clock = [], [], 0
    for port, what in [*steps, *[(0, "wait")] * 60]:
        if not isinstance(what, str):
            given_out.append(board.command(port, what))
        elif what == "call" and anna.state == "idle":
            anna.call(port % 2)
        elif what == "hang_up":
            anna.hang_up()
        elif what == "lift":
            office.phone(2).lift()
        elif what == "down":
            office.phone(2).hang_up()
        elif what in ("unplug", "plug"):
            getattr(office.line(port % 2), what)()
        elif what in ("vanish", "restore"):
            getattr(office, what)(port)
        elif what == "answer" and office.outside("1").state == "ringing":
            office.outside("1").answer()
        for _ in range(ticks):
            got = board.read()
            assert got.clock == clock
            clock += 160
            for event in got.events:
                assert got.clock <= event.clock < clock
                if isinstance(event, CommandDone | CommandFailed):
                    answers.append(event.command_id)
            clocks = [event.clock for event in got.events]
            assert clocks == sorted(clocks)
    # Longest command: three digits "0" by pulses; then every command has had exactly one result.
    for _ in range(300):
        answers += [e.command_id for e in board.read().events if isinstance(e, CommandDone | CommandFailed)]
    assert sorted(answers) == given_out


# -------------------------------------------------------------------- pace
class FakeTime:
    def __init__(self):
        self.now_s = 100.0
        self.slept = []

    def now(self):
        return self.now_s

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now_s += seconds * 1.001  # wakes a little late


def test_wall_pace_keeps_absolute_deadlines():
    time = FakeTime()
    pace = WallPace(time.now, time.sleep)
    for n in range(1, 501):
        pace.wait()
        assert time.now_s == pytest.approx(100.0 + n * 0.02, abs=0.001)
        time.now_s += 0.003


def test_wall_pace_waits_on_when_woken_early():
    time = FakeTime()
    pace = WallPace(time.now, lambda seconds: time.sleep(seconds / 2 + 1e-4))
    pace.wait()
    assert time.now_s >= 100.02


def test_wall_pace_catches_up_without_sleeping():
    time = FakeTime()
    pace = WallPace(time.now, time.sleep)
    pace.wait()
    time.now_s += 0.1
    time.slept.clear()
    for _ in range(5):
        pace.wait()
    assert not time.slept
    pace.wait()
    assert time.now_s == pytest.approx(100.0 + 7 * 0.02, abs=0.001)


# ---------------------------------------------------------------- registry
def test_addresses_choose_the_back_end():
    board = open_board("sim:lines=3,phones=5,country=US,seed=9")
    assert [p.kind for p in board.ports].count(PortKind.FXO) == 3
    assert len(board.ports) == 8
    assert board.office.config.country == "US"
    ready = open_board("sim:", config=OfficeConfig(), pace="virtual", card_id="left")
    assert ready.ports[0].name == "left/0"


@pytest.mark.parametrize(
    ("address", "options", "says"),
    [
        ("sim", {}, "no card address"),
        ("tin:can", {}, "unknown kind of card 'tin'"),
        ("sim:lines", {}, "write it like lines=8"),
        ("sim:linse=3", {}, "unknown setting 'linse'"),
        ("sim:lines=3", {"config": OfficeConfig()}, "not both"),
        ("sim:", {"config": 3}, "mapping"),
        ("sim:", {"speed": 3}, "option 'speed'"),
        ("sim:", {"pace": "fast"}, "virtual or wall"),
    ],
)
def test_addresses_that_cannot_be_opened_say_why(address, options, says):
    with pytest.raises(BoardError, match=says):
        open_board(address, **options)


@pytest.mark.parametrize(
    ("plain", "says"),
    [
        ({"country": "XX"}, "country 'XX' is not known; choose one of CN, US"),
        ({"lines": 0, "phones": 0}, "at least one"),
        ({"lines": -1}, "lines: is -1"),
        ({"lines": "3"}, "count or a list"),
        ({"lines": [3]}, "line 0: is 3"),
        ({"lines": [{}, {"los_db": 3}]}, "line 1: unknown setting 'los_db'; known are .*loss_db"),
        ({"lines": [{"loss_db": 99}]}, "line 0: loss_db is 99, but must lie between 0.0 and 30.0"),
        ({"lines": [{"loss_db": True}]}, "loss_db is True, but must be a number"),
        ({"lines": [{"battery_drop_ms": 0.5}]}, "must be a whole number"),
        ({"lines": [{"polarity_reversal": 1}]}, "must be true or false"),
        ({"lines": [{"disconnect_tone": "beep"}]}, "busy, congestion, dial, none"),
        ({"lines": [{"disconnect_tone": "620 Hz 300 ms"}]}, "620 Hz 300/300 ms"),
        ({"lines": [{"disconnect_tone": "9000 Hz 300/300 ms"}]}, "620 Hz 300/300 ms"),
        ({"lines": [{"callerid": "sms"}]}, "fsk, dtmf, none"),
        ({"lines": [{"callerid_frame": "X"}]}, "two of A B C D #"),
        ({"lines": [{"number": "12a"}]}, "digits only"),
        ({"lines": [{"far_echo_db": 3.0}]}, "far_echo_db"),
        ({"line": {"noise_dbm0": 0}}, "line: noise_dbm0"),
        ({"line": 3}, "mapping"),
        ({"lines": [{"number": "1"}, {"number": "1"}]}, "two lines have the number 1"),
        ({"phones": [{"flash_max_ms": 9}]}, "phone 0: flash_max_ms"),
        ({"local_time": "noon"}, "2026-01-05T09:00"),
        ({"seed": -1}, "seed"),
        ({"seed": "x"}, "seed is 'x', but must be a whole number"),
        ({"hearing_s": 0}, "hearing_s"),
        ({"unknown_numbers": "answer"}, "unknown_numbers"),
    ],
)
def test_settings_that_cannot_be_say_why(plain, says):
    with pytest.raises(OfficeError, match=says):
        OfficeConfig.from_dict(plain)


def test_people_outside_get_clear_errors(bench):
    b = bench()
    anna = b.office.outside("Anna", number="13800138000")
    assert b.office.outside("13800138000") is anna
    with pytest.raises(OfficeError, match="nobody is calling"):
        anna.answer()
    with pytest.raises(OfficeError, match="lines are 0 to 1"):
        anna.call(7)
    with pytest.raises(OfficeError, match="digits"):
        anna.call(0, number="12-34")
    with pytest.raises(OfficeError, match="choose one of fsk"):
        anna.call(0, callerid="morse")
    anna.call(0)
    with pytest.raises(OfficeError, match="hang up first"):
        anna.call(1)
    with pytest.raises(OfficeError, match="has the number 13800138000"):
        b.office.outside("Anna", number="1")
    with pytest.raises(OfficeError, match="already an outside telephone"):
        b.office.outside("Ben", number="13800138000")
    with pytest.raises(OfficeError, match="choose one of answer"):
        b.office.subscriber("1", "sleep")
    with pytest.raises(OfficeError, match="digits only"):
        b.office.subscriber("one")
    with pytest.raises(OfficeError, match="needs a name"):
        b.office.outside("")


def test_wall_pace_gives_up_what_no_buffer_holds_and_counts_it():
    time = FakeTime()
    pace = WallPace(time.now, time.sleep, buffer_s=0.1)
    assert pace.wait() == 0
    time.now_s += 0.095
    assert pace.wait() == 0, "still in the buffer"
    time.now_s += 10.01
    lost = pace.wait()
    assert lost == pytest.approx(10.1 * 8000, abs=2 * 160)
    assert (time.now_s - 100.0) / 0.02 == pytest.approx(lost / 160 + 3, abs=0.01), "on a beat of old"
    time.slept.clear()
    assert pace.wait() == 0 and time.slept, "and in time again"


def test_a_card_tells_what_its_reader_was_too_slow_for():
    time = FakeTime()
    board = SimBoard(OfficeConfig.from_dict({"lines": 1, "phones": 1}), WallPace(time.now, time.sleep))
    assert board.read().lost == 0
    time.now_s += 5.0
    assert board.read().lost == pytest.approx(5.0 * 8000, abs=160)
    assert board.read().lost == 0
