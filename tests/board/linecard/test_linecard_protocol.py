"""The protocol's bytes: golden files, round trips, hostile input, and the page for makers."""

import dataclasses
import re
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from board.linecard import capabilities, cobs, frames
from board.linecard import messages as msg
from board.linecard.frames import Deframer, Frame, FrameError, Kind, nearest_clock

GOLDEN = Path(__file__).parent / "golden"
PAGE = Path(__file__).parents[3] / "docs" / "linecard-protocol.md"


def golden(name):
    lines = (GOLDEN / name).read_text(encoding="utf-8").splitlines()
    return [line.split(" ", 1) for line in lines if not line.startswith("#")]


def test_every_message_is_written_and_read_as_in_the_golden_file():
    seen = set()
    for wire, meaning in golden("good.txt"):
        kind, seq, port, clock, text = meaning.split(" ", 4)
        frame = frames.decode(bytes.fromhex(wire))
        assert (frame.kind.name, frame.seq, frame.port, frame.clock) == (
            kind,
            int(seq),
            int(port),
            int(clock),
        )
        message = msg.decode(frame.op, frame.payload)
        assert repr(message) == text
        assert frames.encode(frame) == bytes.fromhex(wire) + b"\0"
        assert msg.encode(message) == frame.payload
        seen.add(message.OP)
    assert seen == set(msg.Op), "the golden file must hold every operation"


@pytest.mark.parametrize("name", ["truncated.txt", "hostile.txt"])
def test_what_is_no_frame_is_refused_with_the_reason(name):
    for wire, reason in golden(name):
        with pytest.raises((FrameError, msg.PayloadError)) as caught:
            frame = frames.decode(bytes.fromhex(wire.removeprefix("-")))
            msg.decode(frame.op, frame.payload)
        assert str(caught.value) == reason


@given(st.binary(max_size=700))
def test_cobs_there_and_back_without_a_zero(data):
    stuffed = cobs.encode(data)
    assert 0 not in stuffed
    assert cobs.decode(stuffed) == data


@pytest.mark.parametrize(
    ("plain", "stuffed"),
    [("", "01"), ("00", "0101"), ("11220033", "0311220233"), ("11000000", "0211010101")],
)
def test_cobs_as_published(plain, stuffed):
    assert cobs.encode(bytes.fromhex(plain)).hex() == stuffed


FRAMES = st.builds(
    Frame,
    st.sampled_from(Kind),
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(0, 2**32 - 1),
    st.binary(max_size=240),
)


@given(st.lists(st.one_of(FRAMES, st.binary(min_size=1, max_size=300)), max_size=6), st.data())
def test_frames_are_found_between_any_garbage_in_any_pieces(items, data):
    """Whatever stands between two frames, none is invented and none is lost."""
    stream = b"\0" + b"".join(
        frames.encode(item) if isinstance(item, Frame) else item.replace(b"\0", b"\1") + b"\0"
        for item in items
    )
    deframer, found, at = Deframer(), [], 0
    while at < len(stream):
        step = data.draw(st.integers(1, 64))
        found += deframer.feed(stream[at : at + step])
        at += step
    sent = [item for item in items if isinstance(item, Frame)]
    assert [frame for frame in found if frame in sent] == sent
    assert len(found) + deframer.bad == len(items)


def test_a_stream_without_an_end_takes_no_memory():
    deframer = Deframer()
    for _ in range(1000):
        assert deframer.feed(b"\x55" * 1000) == []
    assert len(deframer._part) <= 300
    assert deframer.feed(b"\0" + frames.encode(Frame(Kind.REPLY, 1, 2, 3))) == [Frame(Kind.REPLY, 1, 2, 3)]
    assert deframer.bad == 1


def messages():
    """Any message with any values that its fields can hold."""
    ranges = {"B": (0, 255), "b": (-128, 127), "H": (0, 65535), "h": (-32768, 32767)}
    ranges |= {"I": (0, 2**32 - 1), "i": (-(2**31), 2**31 - 1)}
    tails = {
        "text": st.text(max_size=40),
        "bytes": st.binary(max_size=200),
        "u16s": st.lists(st.integers(0, 65535), max_size=16).map(tuple),
    }

    def of(kind):
        fixed = kind.FIXED.removeprefix("<").replace("32s", "s")
        values = [st.binary(min_size=32, max_size=32) if c == "s" else st.integers(*ranges[c]) for c in fixed]
        values += [tails[kind.TAIL]] if kind.TAIL else []
        return st.tuples(*values).map(lambda given: kind(*given))

    return st.one_of([of(kind) for kind in msg.BY_OP.values()])


@given(messages())
def test_every_message_there_and_back(message):
    assert msg.decode(message.OP, msg.encode(message)) == message


@given(st.integers(0, 255), st.binary(max_size=60))
def test_no_payload_does_worse_than_a_refusal(op, payload):
    try:
        message = msg.decode(op, payload)
    except msg.PayloadError:
        return
    assert msg.encode(message) == payload


@pytest.mark.parametrize(
    "message", [msg.Ring(0, (70000,)), msg.Polarity(300), msg.Thermal(200), msg.PortGone("\ud800")]
)
def test_values_that_do_not_fit_are_refused(message):
    with pytest.raises(msg.PayloadError, match="does not fit"):
        msg.encode(message)


@given(st.integers(0, 2**40), st.integers(-(2**30), 2**30))
def test_the_sample_clock_is_followed_over_its_wraps(near, ahead):
    clock = max(0, near + ahead)
    assert nearest_clock(clock % 2**32, near) == clock


# -------------------------------------------------------------- capabilities
GOOD = {
    "serial": "A1",
    "name": "Card",
    "firmware": "1",
    "rate": 8000,
    "ports": [{"kind": "FXO", "can": ["battery"]}, {"kind": "FXS", "can": []}],
    "ops": ["PING"],
    "features": [],
    "later": {"unknown": 1},
}


def test_capabilities_there_and_back_with_keys_of_the_future():
    caps = capabilities.unpack(capabilities.pack(GOOD))
    assert [port.name for port in caps.port_infos(caps.serial)] == ["A1/0", "A1/1"]
    assert caps.port_infos("x")[0].can == {"battery"}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"rate": 16000}, "rate is 16000"),
        ({"ports": []}, "1 to 64 ports"),
        ({"ports": [{"kind": "FXO", "can": []}] * 65}, "1 to 64 ports"),
        ({"ports": [{"kind": "ISDN", "can": []}]}, "neither FXO nor FXS"),
        ({"ports": ["FXO"]}, "port 0 is no dictionary"),
        ({"ports": [{"kind": "FXO", "can": [1]}]}, "'can' must be a list of texts"),
        ({"serial": ""}, "'serial' must be a printable text"),
        ({"serial": "a\nb"}, "'serial' must be a printable text"),
        ({"ops": "PING"}, "'ops' must be a list"),
    ],
)
def test_capabilities_that_cannot_be_are_refused(change, why):
    with pytest.raises(capabilities.CapsError, match=why):
        capabilities.unpack(capabilities.pack(GOOD | change))


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"no zlib",
        zlib.compress(b"[1, 2]"),
        zlib.compress(b"{"),
        zlib.compress(b"[" * 60000),
        zlib.compress(b" " * 50_000_000),
        capabilities.pack(GOOD)[:-6],
    ],
)
def test_hostile_capabilities_are_refused_in_little_memory(packed):
    with pytest.raises(capabilities.CapsError):
        capabilities.unpack(packed)


# ------------------------------------------------------------------ the page
def test_the_page_and_the_code_agree_on_every_number():
    page = PAGE.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([A-Z_]+) \| (0x[0-9A-F]{2}) \|", page, re.MULTILINE))
    assert {name: int(number, 16) for name, number in rows.items()} == {op.name: op.value for op in msg.Op}
    rows = dict(re.findall(r"^\| ([A-Z_]+) \| (\d+) \|", page, re.MULTILINE))
    assert {name: int(number) for name, number in rows.items()} == {
        one.name: one.value for one in (*Kind, *msg.Status)
    }
    flat = " ".join(page.split())
    settings = dict(
        re.findall(r"\b([A-Z][A-Z_]+) (\d+)\b", flat.split("**Settings**")[1].split("**Line tests**")[0])
    )
    assert {name: int(number) for name, number in settings.items()} == {
        key.name: key.value for key in msg.Key
    }
    tests = dict(re.findall(r"\b([A-Z]+) (\d+)\b", flat.split("**Line tests**")[1].split("Quality")[0]))
    assert {k: int(v) for k, v in tests.items() if k != "GR"} == {t.name: t.value for t in msg.LineTest}


def test_the_page_describes_every_field_of_every_message():
    page = PAGE.read_text(encoding="utf-8")
    sizes = {"B": "u8", "b": "i8", "H": "u16", "h": "i16", "I": "u32", "i": "i32", "s": "32 bytes"}
    for kind in msg.BY_OP.values():
        payload = re.search(rf"^\| {kind.OP.name} \| 0x.. \|([^|]*)\|", page, re.MULTILINE).group(1)
        payload = re.sub(r"\([^)]*\)", "", payload)
        written = re.findall(r"\b[ui](?:8|16|32)\b(?!…)|\b32 bytes\b", payload)
        fixed = kind.FIXED.removeprefix("<").replace("32s", "s")
        assert written == [sizes[c] for c in fixed], kind.OP.name
        assert ("u16…" in payload) == (kind.TAIL == "u16s"), kind.OP.name
        assert ("text" in payload) == (kind.TAIL == "text"), kind.OP.name
        assert len(dataclasses.fields(kind)) == len(fixed) + bool(kind.TAIL)


def test_the_example_on_the_page_is_right():
    page = PAGE.read_text(encoding="utf-8")
    wire = re.search(r"on the wire\s+`([0-9a-f ]+)`", page).group(1)
    assert frames.encode(Frame(Kind.REQUEST, 5, 0xFF, msg.Op.PING)) == bytes.fromhex(wire)
