"""Caller identification: FSK by level, twist, noise and clock; DTMF forms; garbage.

Frames and FSK are made in signals.py, at ten times the sample rate.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp import callerid_frames
from dsp.callerid import CallerIdReceiver, fsk_samples
from dsp.callerid_frames import Contents
from tests.dsp import corpora, signals

STANDARDS = {"bell202": signals.BELL202, "v23": signals.V23}


def on_line(wave, rng, snr_db=None):
    """A burst with silence (and noise, relative to the burst) around it, as int16."""
    x = np.concatenate([np.zeros(rng.integers(1600, 2400)), wave, np.zeros(2000)])
    if snr_db is not None:
        x = x + rng.normal(size=len(x)) * np.sqrt(np.mean(wave**2)) * 10 ** (-snr_db / 20)
    return signals.pcm(x)


def receive(rows):
    x = np.zeros((len(rows), max(map(len, rows)) + 2000), np.int16)
    for row, samples in zip(x, rows, strict=True):
        row[: len(samples)] = samples
    heard = [[] for _ in rows]
    for message in CallerIdReceiver(len(rows)).process(x):
        heard[message.port].append(message)
    return heard


def right_of(count, standard, seed=5, snr_db=None, **shape):
    """How many of `count` frames, half SDMF and half MDMF, arrive once and with equal contents."""
    rng = np.random.default_rng(seed)
    rows, wanted = [], []
    for index in range(count):
        number = "".join(rng.choice(list("0123456789"), size=rng.integers(5, 13)))
        name = b"" if index % 2 else b"LI WEI"
        raw = signals.sdmf(number) if index % 2 else signals.mdmf(number, name)
        wave = signals.fsk(raw, STANDARDS[standard], **shape)
        rows.append(on_line(wave, rng, snr_db))
        wanted.append((standard, "sdmf" if index % 2 else "mdmf", number, name.decode(), "11212305", True))
    got = [
        [(m.standard, m.format, m.number, m.name, m.time, m.valid) for m in messages]
        for messages in receive(rows)
    ]
    assert not any(m[5] and m != w for messages, w in zip(got, wanted, strict=True) for m in messages)
    return sum(messages == [w] for messages, w in zip(got, wanted, strict=True))


# --------------------------------------------------------------------- FSK
@pytest.mark.parametrize("standard", STANDARDS)
class TestFsk:
    def test_1_nominal(self, standard):
        assert right_of(20, standard) == 20

    @pytest.mark.parametrize("dbm0", [-3, -30, -44])
    def test_2_level(self, standard, dbm0):
        assert right_of(20, standard, snr_db=25, mark_dbm0=dbm0) == 20

    def test_2_a_quiet_message_on_a_line_with_direct_current(self, standard):
        rng = np.random.default_rng(6)
        wave = signals.fsk(signals.sdmf("5551234"), STANDARDS[standard], mark_dbm0=-38)
        [messages] = receive([on_line(wave, rng, 25) + np.int16(900)])
        assert [m.number for m in messages if m.valid] == ["5551234"]

    @pytest.mark.parametrize(("mark_dbm0", "space_dbm0"), [(-13, -23), (-23, -13)])
    def test_3_twist_of_10_db(self, standard, mark_dbm0, space_dbm0):
        assert right_of(20, standard, snr_db=25, mark_dbm0=mark_dbm0, space_dbm0=space_dbm0) >= 19

    def test_4_signal_to_noise_of_10_db(self, standard):
        assert right_of(40, standard, snr_db=10) >= 39

    @pytest.mark.parametrize("clock", [0.99, 1.01])
    def test_5_clock_off_by_1_percent(self, standard, clock):
        assert right_of(20, standard, snr_db=20, clock=clock) == 20

    def test_5_clock_of_a_sender_whose_bits_are_seven_whole_samples(self, standard):
        assert right_of(20, standard, snr_db=25, clock=6.667 / 7) == 20

    @pytest.mark.parametrize("clock", [0.99, 1.01])
    def test_5_clock_off_by_1_percent_all_along_a_long_message(self, standard, clock):
        rng = np.random.default_rng(11)
        name = b"A LONG NAME OF A COMPANY " * 5
        wave = signals.fsk(signals.mdmf("13800138000", name), STANDARDS[standard], clock=clock)
        [[message]] = receive([on_line(wave, rng, 20)])
        assert message.valid and message.name == name.decode().strip()

    def test_6_short_mark_and_no_seizure(self, standard):
        assert right_of(10, standard, marks=80) == 10
        assert right_of(10, standard, marks=80, seizure=0) == 10

    @pytest.mark.parametrize("snr_db", [30, 12])
    @pytest.mark.parametrize(
        ("seizure", "marks"), [(96, 55), (0, 55), (300, 40), (300, 15), (300, 1), (0, 30), (0, 2)]
    )
    def test_6_hardly_any_mark(self, standard, seizure, marks, snr_db):
        assert right_of(6, standard, snr_db=snr_db, seizure=seizure, marks=marks) == 6

    @pytest.mark.parametrize("lead", [b"\xff" * 20, b"U" * 30, b"U" * 30 + b"\xff" * 18])
    def test_6_seizure_and_mark_as_characters(self, standard, lead):
        """As a modem for plain data makes them: each with its start and stop bit."""
        rng = np.random.default_rng(15)
        octets = lead + signals.mdmf("13800138000", b"LI WEI")
        wave = signals.fsk(octets, STANDARDS[standard], seizure=0, marks=2)
        [[message]] = receive([on_line(wave, rng, 20)])
        assert (message.standard, message.number, message.valid) == (standard, "13800138000", True)

    def test_6_a_wrong_checksum_behind_hardly_any_mark_says_nothing(self, standard):
        rng = np.random.default_rng(16)
        wave = signals.fsk(signals.sdmf("5551234", wrong=1), STANDARDS[standard], seizure=0, marks=2)
        assert receive([on_line(wave, rng, 20)]) == [[]]

    @pytest.mark.parametrize("snr_db", [30, 12])
    def test_6_a_carrier_that_ends_with_the_checksum(self, standard, snr_db):
        """Its last stop bit is not there any more."""
        rng = np.random.default_rng(17)
        octets = signals.sdmf("5551234")
        bits = 300 + 180 + 10 * len(octets) - 1
        wave = signals.fsk(octets, STANDARDS[standard])[: round(bits * signals.RATE / 1200)]
        for messages in receive([on_line(wave, rng, snr_db) for _ in range(6)]):
            assert [m.number for m in messages] == ["5551234"]

    @pytest.mark.parametrize("snr_db", [None, 10])
    @pytest.mark.parametrize(("seizure", "marks"), [(300, 180), (96, 55), (0, 80)])
    def test_6_a_message_starts_with_its_seizure_or_its_mark(self, standard, seizure, marks, snr_db):
        rng = np.random.default_rng(13)
        frame = signals.sdmf("5551234")
        for lead_ms in (300, 1003, 1011):
            wave = signals.fsk(frame, STANDARDS[standard], seizure=seizure, marks=marks)
            x = np.concatenate([signals.silence(lead_ms), wave, signals.silence(100)])
            if snr_db is not None:
                x = x + signals.noise(len(x), -13.5 - snr_db, rng)
            [[message]] = receive([signals.pcm(x)])
            assert message.start_samples == pytest.approx(lead_ms * 8, abs=80)

    @pytest.mark.parametrize("kind", [0x06, 0x81, 0x82, 0x84, 0x86])
    def test_6_a_sound_frame_that_is_no_caller_id_says_nothing(self, standard, kind):
        rng = np.random.default_rng(14)
        octets = signals.frame(kind, signals.parameter(1, b"11212305") + signals.parameter(11, b"\xff"))
        rows = [on_line(signals.fsk(octets, STANDARDS[standard]), rng, snr_db) for snr_db in (None, 25, 15)]
        assert receive(rows) == [[], [], []]

    def test_7_marks_between_characters(self, standard):
        """A second stop bit, or up to the ten marks that GR-30 allows."""
        for gap_bits in (1, 2, 4, 10):
            assert right_of(10, standard, snr_db=20, gap_bits=gap_bits) == 10, gap_bits

    def test_8_a_wrong_checksum_is_reported_without_contents(self, standard):
        rng = np.random.default_rng(2)
        raw = signals.mdmf("13800138000", b"ZHANG", wrong=1)
        [messages] = receive([on_line(signals.fsk(raw, STANDARDS[standard]), rng)])
        assert [(m.valid, m.number, m.name, m.time) for m in messages] == [(False, "", "", "")]

    def test_9_two_frames_one_after_the_other(self, standard):
        rng = np.random.default_rng(3)
        first = signals.fsk(signals.sdmf("5551234"), STANDARDS[standard])
        second = signals.fsk(signals.mdmf("02112345678", b"B"), STANDARDS[standard])
        [messages] = receive([on_line(np.concatenate([first, np.zeros(2400), second]), rng)])
        assert [m.number for m in messages] == ["5551234", "02112345678"]
        assert messages[0].start_samples < messages[0].end_samples < messages[1].start_samples

    def test_10_a_frame_that_breaks_off_says_nothing(self, standard):
        rng = np.random.default_rng(4)
        wave = signals.fsk(signals.mdmf("13800138000", b"ZHANG"), STANDARDS[standard])
        [messages] = receive([on_line(wave[: len(wave) - 1600], rng)])
        assert not any(m.valid for m in messages)


@pytest.mark.parametrize("standard", STANDARDS)
def test_in_heavy_noise_a_frame_may_be_lost_but_never_says_what_was_not_sent(standard):
    assert right_of(120, standard, seed=77, snr_db=6) >= 90


@pytest.mark.parametrize(
    ("form", "body"),
    [
        (0x80, signals.parameter(2, b"211544\x792568") + signals.parameter(7, b"LI WEI")),
        (0x80, signals.parameter(2, b"13800138000") + signals.parameter(7, b"LI\x03WEI")),
        (0x80, signals.parameter(1, b"1121q305") + signals.parameter(2, b"13800138000")),
        (0x80, signals.parameter(2, b"13800138000") + b"\x07\x09LI WEI"),
        (0x80, signals.parameter(4, b"")),
        (0x80, signals.parameter(4, b"\x9d")),
        (0x80, signals.parameter(4, b"OO")),
        (0x04, b"112123055551\x1234"),
        (0x04, b"1121230U5551234"),
    ],
)
def test_a_damaged_frame_whose_sum_is_right_by_chance_says_nothing(form, body):
    assert callerid_frames.decode(signals.frame(form, body))[1] is None


TELL_NOTHING = [
    (0x80, b""),
    (0x80, signals.parameter(1, b"11212305")),
    (0x80, signals.parameter(1, b"11212305") + signals.parameter(2, b"")),
    (0x80, signals.parameter(2, b"  ") + signals.parameter(7, b" ")),
    (0x80, signals.parameter(0x11, b"\x01") + signals.parameter(8, b"P")),
    (0x04, b""),
    (0x04, b"11212305"),
    (0x04, b"11212305   "),
]
"""By GR-30 and EN 300 659-3 a number or the reason why there is none must be there."""


@pytest.mark.parametrize(("form", "body"), TELL_NOTHING)
def test_a_sound_frame_without_number_name_or_reason_is_no_caller_id(form, body):
    frame = signals.frame(form, body)
    assert callerid_frames.decode(frame)[1] is None
    assert callerid_frames.is_other(frame)


@pytest.mark.parametrize("standard", STANDARDS)
@pytest.mark.parametrize(("seizure", "marks"), [(300, 180), (300, 1), (0, 2)])
def test_a_frame_that_tells_nothing_is_not_told_and_hides_none_that_follows(standard, seizure, marks):
    rng = np.random.default_rng(18)
    shape = {"tones": STANDARDS[standard], "seizure": seizure, "marks": marks}
    real = signals.fsk(signals.mdmf("13800138000", b"LI WEI"), **shape)
    rows = []
    for form, body in TELL_NOTHING:
        empty = signals.fsk(signals.frame(form, body), **shape)
        rows.append(on_line(np.concatenate([empty, np.zeros(2400), real]), rng, 25))
    for messages in receive(rows):
        assert [(m.number, m.valid) for m in messages] == [("13800138000", True)]


def test_a_character_without_a_stop_bit_spoils_the_frame():
    wave = signals.fsk(signals.sdmf("5551234"), gap_bits=0)
    whole = signals.row(np.concatenate([np.zeros(2000), wave, np.zeros(2000)]))
    [message] = CallerIdReceiver(1).process(whole)
    assert message.valid
    stop_at = 2000 + (300 + 180 + 5 * 10 + 9) * 8000 / 1200
    n = np.arange(int(stop_at), int(stop_at + 7))
    broken = whole.copy()
    broken[0, n] = (signals.peak(-13.5) * np.sin(2 * np.pi * 2200 / 8000 * n)).astype(np.int16)
    assert not any(m.valid for m in CallerIdReceiver(1).process(broken))


def test_the_message_is_there_as_soon_as_it_has_ended():
    """Screen pop waits for this: at most 60 ms after the last bit."""
    wave = signals.fsk(signals.mdmf("13800138000", b"ZHANG SAN"))
    x = signals.row(np.concatenate([np.zeros(4000), wave, np.zeros(4000)]))
    receiver = CallerIdReceiver(1)
    for at in range(0, x.shape[1], 160):
        if receiver.process(x[:, at : at + 160]):
            break
    assert at + 160 - (4000 + len(wave)) <= 480


@pytest.mark.parametrize("lead", [562, 656, 658])
def test_a_short_message_with_data_behind_it_is_told_once(lead):
    raw = signals.frame(0x80, signals.parameter(2, b"85062436"))
    wave = signals.fsk([*raw, *[0x35, 0xA2, 0x4D, 0x17, 0x99]], STANDARDS["v23"], marks=1, seizure=0)
    x = signals.row(np.concatenate([np.zeros(lead), wave, np.zeros(4000)]))
    assert [m.number for m in CallerIdReceiver(1).process(x) if m.valid] == ["85062436"]


class TestManyAtOnce:
    """A tick has 20 ms, whatever many exchanges send in the same moment."""

    WORK = 250

    def calls(self, lines, snr_db):
        """One message on every line, all beginning within one tick; int16 [lines, n]."""
        rng = np.random.default_rng(12)
        rows = []
        for line in range(lines):
            raw = signals.mdmf(f"1380013{line:04d}", b"ZHANG SAN")
            wave = signals.fsk(raw, STANDARDS["v23" if line % 2 else "bell202"])
            x = np.concatenate([np.zeros(4000 + 9 * line % 160), wave, np.zeros(4000)])
            x = x + rng.normal(size=len(x)) * np.sqrt(np.mean(wave**2)) * 10 ** (-snr_db / 20)
            rows.append(signals.pcm(x)[: 4000 + len(wave) + 3800])
        return np.array(rows)

    @pytest.mark.parametrize("snr_db", [40, 10, 8])
    def test_1_work_is_spread_and_all_answers_are_there_in_time_and_the_same(self, snr_db):
        x = self.calls(16, snr_db)
        at_once = CallerIdReceiver(16)
        spread = CallerIdReceiver(16, work_per_tick=self.WORK)
        wanted, got, most, peak = [], [], 0, 0
        for at in range(0, x.shape[1], 160):
            tick = x[:, at : at + 160]
            wanted += at_once.process(tick)
            for message in spread.process(tick):
                got.append(message)
                assert at + 160 - message.end_samples <= 0.2 * 8000
            most, peak = max(most, spread.spent), max(peak, at_once.spent)
        assert len(wanted) >= 14 and sorted(got, key=str) == sorted(wanted, key=str)
        assert most <= 1.15 * self.WORK < peak  # whatever is begun is ended

    def test_2_lines_that_cannot_be_kept_up_with_are_given_up_and_heard_again_later(self):
        x = self.calls(12, 30)
        receiver = CallerIdReceiver(12, work_per_tick=10)
        assert len(receiver.process(np.tile(x, 3))) < 12
        receiver.process(np.zeros((12, 16000), np.int16))
        one = np.zeros_like(x)
        one[5] = x[5]
        found = receiver.process(np.concatenate([one, np.zeros((12, 16000), np.int16)], axis=1))
        assert [(m.port, m.number, m.valid) for m in found] == [(5, "13800130005", True)]

    def test_3_a_line_that_is_reset_or_left_in_the_middle_says_nothing(self):
        x = self.calls(2, 30)
        receiver = CallerIdReceiver(2, work_per_tick=self.WORK)
        half = 4000 + 4400
        assert receiver.process(x[:, :half]) == []
        receiver.reset([0])
        assert [m.port for m in receiver.process(x[:, half:])] == [1]

    def test_5_data_on_other_lines_takes_no_number_away(self):
        """Data without a mark tone is looked at too, but after the lines that have one."""
        calls = self.calls(16, 30)
        rng = np.random.default_rng(8)
        data = [signals.fsk(rng.integers(0, 256, 70).tolist(), marks=0, seizure=0)[:5000] for _ in range(48)]
        x = np.zeros((64, calls.shape[1]), np.int16)
        for row, wave in enumerate(data):
            at = 3800 + 60 * row
            x[row, at : at + len(wave)] = signals.pcm(wave)
        x[48:] = calls
        receiver = CallerIdReceiver(64, work_per_tick=self.WORK)
        found = []
        for at in range(0, x.shape[1], 160):
            found += receiver.process(x[:, at : at + 160])
        found += receiver.process(np.zeros((64, 8000), np.int16))
        assert sorted(message.port for message in found if message.valid) == list(range(48, 64))

    def test_4_no_work_at_all_is_refused(self):
        with pytest.raises(ValueError, match="at least 1"):
            CallerIdReceiver(4, work_per_tick=0)


@pytest.mark.parametrize(
    ("body", "contents"),
    [
        (signals.parameter(4, b"P") + signals.parameter(8, b"P"), ("", "", "", "withheld")),
        (signals.parameter(4, b"O"), ("", "", "", "unavailable")),
        (signals.parameter(4, b"S"), ("", "", "", "unavailable")),
        (signals.parameter(1, b"02300101") + signals.parameter(2, b"10086"), ("10086", "", "02300101", "")),
        (signals.parameter(2, b"1") + signals.parameter(7, "张三".encode("gb2312")), ("1", "张三", "", "")),
        (signals.parameter(2, b"1") + signals.parameter(7, "朱镕基".encode("gbk")), ("1", "朱镕基", "", "")),
        (signals.parameter(2, b"1") + signals.parameter(7, b"Caf\xe9"), ("1", "Café", "", "")),
        (signals.parameter(0x11, b"\x01") + signals.parameter(2, b"17"), ("17", "", "", "")),
    ],
)
def test_mdmf_parameters(body, contents):
    form, found = callerid_frames.decode(signals.frame(0x80, body))
    assert form == "mdmf" and tuple(found) == contents


def test_sdmf_reasons_and_impossible_dates():
    assert callerid_frames.decode(signals.sdmf("P"))[1] == Contents("", "", "11212305", "withheld")
    assert callerid_frames.decode(signals.sdmf("O"))[1] == Contents("", "", "11212305", "unavailable")
    assert callerid_frames.decode(signals.sdmf("123", "99999999"))[1] == Contents("123")


@given(st.binary(max_size=40))
def test_any_octets_decode_to_contents_or_nothing(octets):
    form, contents = callerid_frames.decode(octets)
    assert form in ("sdmf", "mdmf")
    framed = bytes([0x80, len(octets)]) + octets
    callerid_frames.decode(framed + bytes([-sum(framed) & 0xFF]))
    assert contents is None or isinstance(contents, Contents)


NAMES = st.text(alphabet="ABC xyz.-0123456789张三李四王总机", max_size=12).map(str.strip)


@settings(max_examples=20, deadline=None)
@given(
    st.text(alphabet="0123456789", min_size=1, max_size=20),
    NAMES,
    st.sampled_from(["", "01010000", "12312359"]),
    st.sampled_from(sorted(STANDARDS)),
    st.floats(-35, -5),
)
def test_what_the_sender_says_the_receiver_hears(number, name, time, standard, dbm0):
    x = fsk_samples(number, name, time, "", standard, "mdmf", dbm0)
    [[message]] = receive([np.concatenate([np.zeros(2000), x])])
    assert (message.number, message.name, message.time) == (number, name, time)
    assert (message.standard, message.format, message.valid) == (standard, "mdmf", True)


@pytest.mark.parametrize("reason", ["unavailable", "withheld"])
@pytest.mark.parametrize("form", ["sdmf", "mdmf"])
def test_the_sender_can_withhold(reason, form):
    x = fsk_samples(reason=reason, form=form)
    [[message]] = receive([np.concatenate([np.zeros(2000), x])])
    assert (message.number, message.reason, message.format) == ("", reason, form)


def test_the_sender_refuses_what_a_format_cannot_carry():
    with pytest.raises(ValueError, match="use MDMF"):
        fsk_samples("1", "Anna", form="sdmf")
    with pytest.raises(ValueError, match="not a number"):
        fsk_samples("one")
    with pytest.raises(ValueError, match="not a time"):
        fsk_samples("1", time="99999999")
    with pytest.raises(ValueError, match="needs a number"):
        fsk_samples(time="11212305")


# ---------------------------------------------------------------- DTMF forms
@pytest.mark.parametrize(
    ("keys", "number", "reason"),
    [
        ("A13800138000#", "13800138000", ""),
        ("D13800138000C", "13800138000", ""),
        ("D02155512345#", "02155512345", ""),
        ("A13800138000D4008001234B00C", "13800138000", ""),
        ("A13800138000C", "13800138000", ""),
        ("5551234#", "5551234", ""),
        ("B00C", "", "unavailable"),
        ("B10C", "", "withheld"),
        ("DB10C", "", "withheld"),
        ("D1#", "", "withheld"),
    ],
)
@pytest.mark.parametrize("on_off_ms", [(50, 50), (70, 70)])
def test_dtmf_forms(keys, number, reason, on_off_ms):
    [messages] = receive([signals.pcm(signals.keys(keys, *on_off_ms, low_dbm0=-14))])
    assert [(m.standard, m.format, m.number, m.reason, m.valid) for m in messages] == [
        ("dtmf", "dtmf", number, reason, True)
    ]


def test_dtmf_after_the_click_of_a_polarity_reversal():
    click = np.concatenate([np.zeros(800), 20000 * np.exp(-np.arange(400) / 60.0), np.zeros(1200)])
    rows = [
        signals.pcm(np.concatenate([sign * click, signals.keys("D13800138000C", 50, 50)])) for sign in (1, -1)
    ]
    assert [[m.number for m in messages] for messages in receive(rows)] == [["13800138000"]] * 2


def test_keys_that_are_no_form_say_nothing():
    rows = [
        signals.pcm(signals.keys(keys, 50, 50))
        for keys in ("12345", "C", "#", "12#", "*99#", "1A2#", "D12C3"[:4])
    ]
    heard = receive(rows)
    assert [bool(messages) for messages in heard[:6]] == [False] * 6


def test_a_pause_of_a_second_begins_a_new_form():
    x = np.concatenate([signals.keys("A1234", 50, 50), signals.silence(1500), signals.keys("A5678#", 50, 50)])
    [messages] = receive([signals.pcm(x)])
    assert [m.number for m in messages] == ["5678"]


# --------------------------------------------------------------- bad input
def test_no_frame_in_speech_and_music():
    rows = corpora.in_rows(corpora.recordings(corpora.SPEECH, tuning=False), 32)
    assert CallerIdReceiver(32).process(rows) == []


@pytest.mark.parametrize("hz", [1200, 1250, 1300, 2100, 2200])
def test_a_lasting_tone_is_no_frame_and_hides_none_after_it(hz):
    rng = np.random.default_rng(6)
    x = np.concatenate([signals.tone(hz, 3000, -10), np.zeros(1600)])
    wave = on_line(signals.fsk(signals.sdmf("5551234")), rng)
    [messages] = receive([signals.pcm(np.concatenate([x, wave]))])
    assert [m.number for m in messages] == ["5551234"]


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, 1.0, 32767.0, -32768.0])
def test_constant_garbage_is_survived(value):
    receiver = CallerIdReceiver(1)
    assert receiver.process(np.full((1, 16000), value, np.float32)) == []
    rng = np.random.default_rng(7)
    wave = on_line(signals.fsk(signals.sdmf("5551234")), rng)
    assert [m.number for m in receiver.process(signals.row(wave))] == ["5551234"]


# -------------------------------------------------------------- ports, state
@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 4000), min_size=1, max_size=10))
def test_any_cutting_of_time_gives_the_same_messages(chunks):
    rng = np.random.default_rng(8)
    x = on_line(signals.fsk(signals.mdmf("13800138000", b"A")), rng, 20)[None, :]
    whole = CallerIdReceiver(1).process(x)
    receiver, at, pieces = CallerIdReceiver(1), 0, []
    for n in [*chunks, x.shape[1]]:
        pieces += receiver.process(x[:, at : at + n])
        at += n
    assert pieces == whole and len(whole) == 1


def test_idle_ports_are_reset():
    rng = np.random.default_rng(9)
    wave = on_line(signals.fsk(signals.mdmf("13800138000", b"A")), rng)
    x = np.stack([wave, wave])
    receiver = CallerIdReceiver(2)
    middle = 5800  # within the characters
    messages = receiver.process(x[:, :middle])
    messages += receiver.process(np.zeros((2, 160), np.int16), np.array([True, False]))[:0]
    messages += receiver.process(x[:, middle:], np.array([False, True]))
    assert messages == []
    assert [m.port for m in receiver.process(x, np.array([False, True]))] == [1]


def test_few_active_ports_among_many_hear_the_quietest_message():
    rng = np.random.default_rng(10)
    rows = np.zeros((64, 24000), np.int16)
    for port, dbm0 in ((5, -44.0), (6, -20.0), (50, -20.0)):
        wave = on_line(fsk_samples(f"1380013{port:04d}", level_dbm0=dbm0), rng)
        rows[port, -len(wave) :] = wave
    active = np.zeros(64, bool)
    active[[5, 17, 50]] = True
    receiver = CallerIdReceiver(64)
    messages = [m for at in range(0, 24000, 160) for m in receiver.process(rows[:, at : at + 160], active)]
    assert [(m.port, m.number) for m in messages] == [(5, "13800130005"), (50, "13800130050")]


SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金"
    "石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤温康施文牛樊葛邢安齐易乔伍庞颜倪庄聂章鲁"
    "岳翟殷詹申欧耿关兰焦俞左柳甘祝包宁尚符舒阮柯纪梅童凌毕单季裴霍涂成苗谷盛曲翁冉骆蓝路游辛靳欧阳管柴蒙鲍华喻祁蒲房滕屈饶解"
    "牟艾尤阳时穆农司卓古吉缪简车项连芦麦褚娄窦戚岑景党宫费卜冷晏席卫米柏宗瞿桂全佟应臧闵苟邬边卞姬师和仇栾隋商刁沙荣巫寇桑郎"
    "甄丛仲虞敖巩明佘池查麻苑迟邝"
)
GIVEN = (
    "",
    "伟",
    "芳",
    "娜",
    "秀英",
    "敏",
    "静",
    "丽",
    "强",
    "磊",
    "军",
    "洋",
    "勇",
    "杰",
    "桂英",
    "建国",
    "海燕",
    "子涵",
    "梓萱",
)


@pytest.mark.parametrize("coding", ["gbk", "utf-8"])
def test_common_chinese_names_are_read_in_either_coding(coding):
    names = [surname + given for surname in SURNAMES for given in GIVEN]
    assert [name for name in names if callerid_frames.decode_name(name.encode(coding)) != name] == []


@pytest.mark.parametrize("name", ["Müller", "François", "JOSÉ GIL", "Søren Ågård"])
@pytest.mark.parametrize("coding", ["latin-1", "utf-8"])
def test_names_with_accents_are_read_in_either_coding(name, coding):
    assert callerid_frames.decode_name(name.encode(coding)) == name
