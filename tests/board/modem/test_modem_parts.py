"""DLE shielding, sample formats, caller-ID messages: round trips, cut anywhere, hostile."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from modem_emulator import CONEXANT, USR, mdmf

from board.modem.callerid import CallerId, Collector, decode
from board.modem.dle import Unshield, shield
from board.modem.formats import FORMATS, choose, read_offers
from board.modem.profiles import PROFILES, detect

CODES = st.sampled_from("0123456789*#ABCDRbdlLqsuo/~")


def pieces(data, cuts):
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in itertools.pairwise(edges)]


@given(
    st.lists(st.one_of(st.binary(max_size=40), CODES), max_size=20),
    st.lists(st.integers(0, 1000), max_size=8),
    st.binary(max_size=10),
)
def test_sound_and_events_survive_any_cutting(parts, cuts, after):
    wire = b"".join(shield(p) if isinstance(p, bytes) else b"\x10" + p.encode() for p in parts)
    wire += b"\x10\x03"
    unshield, sound, events = Unshield(), b"", []
    for piece in pieces(wire, cuts):
        more, found, rest = unshield.feed(piece)
        sound, events = sound + more, events + found
    assert rest == b""
    assert sound == b"".join(p for p in parts if isinstance(p, bytes))
    assert events == [p for p in parts if isinstance(p, str)]
    assert Unshield().feed(b"\x10\x03" + after)[2] == after


def test_dle_sub_is_two_octets_of_16():
    assert Unshield().feed(b"a\x10\x1ab") == (b"a\x10\x10b", [], None)


def test_a_complex_event_is_no_sound_and_cannot_grow_for_ever():
    assert Unshield().feed(b"a\x10XNMBR=1\r\n\x10.b") == (b"ab", ["XNMBR=1\r\n"], None)
    unshield = Unshield()
    unshield.feed(b"\x10X" + b"z" * 2000)
    assert unshield.feed(b"sound")[0] == b"sound"


@given(st.binary(max_size=300))
def test_any_octets_can_be_unshielded(data):
    Unshield().feed(data)


@pytest.mark.parametrize(
    ("name", "worst"), [("u8", 256), ("s8", 256), ("alaw", 520), ("ulaw", 650), ("s16", 0)]
)
def test_formats_give_back_what_they_were_given(name, worst):
    form = FORMATS[name]
    every = np.arange(-32768, 32768, dtype=np.int32).astype(np.int16)
    back = form.to_linear(form.from_linear(every)).astype(np.int32)
    assert np.abs(back - every).max() <= worst
    octets = bytes(range(256)) * form.octets
    again = form.from_linear(form.to_linear(octets))
    assert np.array_equal(form.to_linear(again), form.to_linear(octets))
    assert form.to_linear(form.from_linear(np.zeros(1, np.int16)))[0] in (0, 8, -8)


def test_known_values_of_g711():
    # ITU-T G.711 tables 1a and 2a: first and last values of the positive side, on the 16-bit scale.
    assert FORMATS["alaw"].to_linear(b"\xd5\xaa\x55\x2a").tolist() == [8, 32256, -8, -32256]
    assert FORMATS["ulaw"].to_linear(b"\xff\x80\x7f\x00").tolist() == [0, 32124, 0, -32124]


@given(st.lists(st.text(st.characters(codec="latin-1"), max_size=40), max_size=6))
def test_any_answer_to_vsm_is_read_or_refused(lines):
    offers = read_offers(lines)
    try:
        choose(offers, {}, FORMATS)
    except LookupError as error:
        assert "8000" in str(error)


def test_ranges_of_rates():
    [list_, range_, other] = read_offers(
        ["1,PCM,8,0,(7200,8000),0,0", "1,PCM,8,0,(7200-11025),0,0", "1,PCM,8,0,(7200,11025),0,0"]
    )
    assert (list_.at_8000, range_.at_8000, other.at_8000) == (True, True, False)


@pytest.mark.parametrize(
    ("answers", "name"),
    [
        (" ".join(USR["ATI0"] + USR["ATI3"]), "usr5637"),
        (" ".join(CONEXANT["ATI0"] + CONEXANT["ATI3"]), "cx93010"),
        ("28800 ELSA", "v253"),
        ("", "v253"),
    ],
)
def test_profiles_are_told_apart(answers, name):
    assert detect(answers) is PROFILES[name]


@given(st.text("0123456789*#", max_size=20), st.text("ABCxyz ", max_size=15), st.integers(0, 60))
def test_raw_messages_whole_or_cut(number, name, cut):
    message = mdmf(number, name)
    found = decode(message)
    assert found is not None
    assert (found.number, found.name) == (number, name.strip())
    if 0 < cut < len(message):
        assert decode(message[:-cut]) is None


@given(st.binary(max_size=80))
def test_hostile_raw_messages(data):
    for start in (b"", b"\x80", b"\x04"):
        decode(start + data)
        body = (start + bytes([len(data)]) + data)[:200]
        decode(body + bytes([-sum(body) % 256]))


def test_single_format_message_and_reasons():
    body = b"\x04\x1211212359" + b"4008123456"
    assert decode(body + bytes([-sum(body) % 256])) == CallerId("4008123456")
    private = b"\x80\x03\x04\x01P"
    assert decode(private + bytes([-sum(private) % 256])) == CallerId("", "", "withheld")


def test_chinese_names_are_read():
    body = bytes([0x80, 0]) + b"\x02\x051008" + b"6" + b"\x07\x04" + "张三".encode("gb18030")
    body = bytes([0x80, len(body) - 2]) + body[2:]
    assert decode(body + bytes([-sum(body) % 256])) == CallerId("10086", "张三")


def test_a_number_without_a_name_waits_half_a_second_for_it():
    collector = Collector()
    assert collector.line("NMBR=10086", 1.0) is None
    assert collector.tick(1.4) is None
    assert collector.tick(1.5) == CallerId("10086")
    assert collector.tick(9.0) is None
    assert collector.line("NAME=nobody", 10.0) is None
    assert collector.tick(11.0) is None
