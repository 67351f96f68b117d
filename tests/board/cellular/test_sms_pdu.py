"""Short messages: golden PDUs, round trips, long messages, damage."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from board.cellular import gsm7
from board.cellular.longsms import MOST_OPEN, MOST_PARTS, Joiner, split
from board.cellular.pdu import (
    GSM7,
    UCS2,
    Deliver,
    Part,
    PduError,
    StatusReport,
    Submit,
    decode,
    encode_submit,
)

# Worked by hand from TS 23.040: centre +8613800100500, sender +8613800138000,
# 2026-11-21 23:59:00 +08:00 (32 quarters).
CENTRE = "0891683108100005F0"
SENDER = "0D91683108108300F0"
STAMP = "62111232950023"
HELLO = CENTRE + "04" + SENDER + "0000" + STAMP + "05" + "E8329BFD06"
NIHAO = CENTRE + "04" + SENDER + "0008" + STAMP + "04" + "4F60597D"
WHEN = datetime(2026, 11, 21, 15, 59, tzinfo=UTC).timestamp()


def test_a_message_in_the_default_alphabet():
    message = decode(HELLO)
    assert isinstance(message, Deliver)
    assert (message.sender, message.text, message.sent_unix_s) == ("+8613800138000", "hello", WHEN)


def test_a_chinese_message():
    message = decode(NIHAO)
    assert (message.text, message.alphabet, message.part) == ("你好", UCS2, None)


def test_a_word_as_sender():
    # "10086" is a number, "CMCC" a word: TON 5, four septets in seven semi-octets.
    sender = "07D0" + gsm7.pack(b"CMCC").hex()
    assert decode(CENTRE + "04" + sender + "0000" + STAMP + "00").sender == "CMCC"


@pytest.mark.parametrize(
    ("header", "part"),
    [("050003A70201", Part(0xA7, 2, 1)), ("06080412340302", Part(0x1234, 3, 2, wide=True))],
)
def test_parts_of_long_messages_with_short_and_long_references(header, part):
    octets = bytes.fromhex(header) + "中".encode("utf-16-be")
    message = decode(CENTRE + "44" + SENDER + "0008" + STAMP + f"{len(octets):02X}" + octets.hex())
    assert (message.part, message.text) == (part, "中")


def test_header_and_septets_share_an_octet():
    # Six octets of header are 48 bits: one fill bit, the text begins at septet 7.
    octets = bytes.fromhex("050003A70201") + gsm7.pack(b"hello", 1)
    message = decode(CENTRE + "44" + SENDER + "0000" + STAMP + "0C" + octets.hex())
    assert (message.text, message.part) == ("hello", Part(0xA7, 2, 1))


def test_impossible_numbering_is_ignored_as_the_standard_wants():
    octets = bytes.fromhex("050003A70203") + b"\0A"
    assert decode(CENTRE + "44" + SENDER + "0008" + STAMP + "08" + octets.hex()).part is None


@pytest.mark.parametrize(("status", "state"), [(0x00, "delivered"), (0x30, "pending"), (0x41, "failed")])
def test_status_reports(status, state):
    report = decode(CENTRE + "06" + "2A" + SENDER + STAMP + STAMP + f"{status:02X}")
    assert report == StatusReport(0x2A, "+8613800138000", state)


def test_a_time_that_does_not_exist_is_unknown():
    assert decode(CENTRE + "04" + SENDER + "0000" + "0" * 14 + "00").sent_unix_s is None


def test_west_of_greenwich():
    # -5 h are 20 quarters, sign in bit 3 of the first semi-octet: 0x0A.
    message = decode(CENTRE + "04" + SENDER + "0000" + "6211123295000A" + "00")
    assert message.sent_unix_s == datetime(2026, 11, 22, 4, 59, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "number", "expected"),
    [
        ("hello", "+8613800138000", ("0001000D91683108108300F0000005E8329BFD06", 19)),
        ("你好", "10086", ("00010005810180F60008044F60597D", 14)),
    ],
)
def test_messages_out(text, number, expected):
    [part] = split(number, text, 7)
    assert encode_submit(part) == expected


def test_every_place_to_cut_a_message_is_survived():
    for golden in (HELLO, NIHAO):
        for end in range(len(golden)):
            with pytest.raises(PduError):
                decode(golden[:end])


@pytest.mark.parametrize(
    ("digits", "says"),
    [
        ("zz", "hex"),
        (CENTRE + "03" + SENDER, "reserved"),
        (CENTRE + "04" + SENDER + "0020" + STAMP + "00", "compressed"),
        (CENTRE + "04" + SENDER + "0008" + STAMP + "FF" + "00" * 255, "longer than a message"),
        (CENTRE + "44" + SENDER + "0008" + STAMP + "02" + "FF00", "header is longer"),
        (CENTRE + "44" + SENDER + "0000" + STAMP + "02" + "0100", "header"),
        (CENTRE + "44" + SENDER + "0008" + STAMP + "04" + "030009FF", "header is cut"),
    ],
)
def test_hostile_messages_are_refused_with_a_reason(digits, says):
    with pytest.raises(PduError, match=says):
        decode(digits)


@given(st.binary(max_size=200))
def test_any_octets_give_a_message_or_a_reason(data):
    for digits in (data.hex(), CENTRE + data.hex()):
        try:
            decode(digits)
        except PduError as error:
            assert str(error)


@given(st.text("@£$¥èéùìòÇ\nØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !#¤%&'()*+,-./09:;<=>?¡AZÄÖÑÜ§¿azäöñüà\f^{}\\[~]|€"))
def test_septets_round_trip(text):
    units = b"".join(gsm7.septets(text))
    for fill in range(7):
        assert gsm7.unpack(gsm7.pack(units, fill), len(units), fill) == units
    assert gsm7.text_of(units) == text


def test_escapes_of_the_standard():
    assert gsm7.text_of(b"\x1b\x41") == "A"
    assert gsm7.text_of(b"\x1b\x1b") == " "
    assert gsm7.text_of(b"a\x1b") == "a"
    assert gsm7.septets("\x1b") is None


TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=400),
    st.text("a€^", min_size=1, max_size=600),
    st.text("你😀", min_size=1, max_size=400),
)


@given(TEXTS, st.integers(0, 10**6), st.booleans(), st.randoms())
def test_any_text_survives_cutting_sending_and_joining(text, reference, report, random):
    parts = split("+8613800138000", text, reference, report)
    arrived = []
    for part in parts:
        digits, octets = encode_submit(part)
        assert octets == len(digits) // 2 - 1
        back = decode(digits)
        assert isinstance(back, Submit) and back == part
        # Each part alone is made of whole characters.
        assert "\ufffd" not in back.text.replace("\ufffd", "", text.count("\ufffd"))
        arrived.append(Deliver("+86138", back.alphabet, back.units, None, back.part))
    random.shuffle(arrived)
    joiner, whole = Joiner(), []
    for message in arrived:
        whole += joiner.add(message, 0.0)
    assert [one.text for one in whole] == [text]


def test_an_escape_or_a_pair_is_never_cut():
    first, second = split("10086", "a" * 152 + "€" + "b" * 20, 1)
    assert first.text == "a" * 152 and second.text.startswith("€")
    first, second = split("10086", "你" * 66 + "😀" + "好" * 10, 1)
    assert first.text == "你" * 66 and second.text.startswith("😀")


@pytest.mark.parametrize(
    ("text", "parts", "alphabet"),
    [
        ("a" * 160, 1, GSM7),
        ("a" * 161, 2, GSM7),
        ("€" * 80, 1, GSM7),
        ("€" * 81, 2, GSM7),
        ("你" * 70, 1, UCS2),
        ("你" * 71, 2, UCS2),
        ("你" * 135, 3, UCS2),
    ],
)
def test_how_many_parts_a_text_needs(text, parts, alphabet):
    found = split("10086", text, 1)
    assert len(found) == parts
    assert {part.alphabet for part in found} == {alphabet}


@pytest.mark.parametrize(
    ("number", "text", "says"),
    [
        ("10086", "", "empty"),
        ("10086", "你" * 3000, f"at most {MOST_PARTS}"),
        ("CMCC", "x", "no number"),
        ("", "x", "no number"),
    ],
)
def test_what_cannot_be_sent(number, text, says):
    with pytest.raises(PduError, match=says):
        for part in split(number, text, 1):
            encode_submit(part)


def test_parts_cut_badly_by_others_are_joined():
    face = "😀".encode("utf-16-be")
    joiner = Joiner()
    assert joiner.add(Deliver("1", UCS2, face[:2], None, Part(1, 2, 1)), 0.0) == []
    assert joiner.add(Deliver("1", UCS2, face[2:], None, Part(1, 2, 2)), 0.0)[0].text == "😀"
    assert joiner.add(Deliver("1", GSM7, b"\x1b", None, Part(2, 2, 1)), 0.0) == []
    assert joiner.add(Deliver("1", GSM7, b"\x65", None, Part(2, 2, 2)), 0.0)[0].text == "€"


def test_parts_that_never_come_and_parts_that_come_twice():
    joiner = Joiner()
    one = Deliver("1", GSM7, b"one", 5.0, Part(1, 3, 1))
    assert joiner.add(one, 0.0) == joiner.add(one, 1.0) == []
    assert joiner.overdue(3599.0) == []
    [whole] = joiner.overdue(3600.0)
    assert (whole.text, whole.missing, whole.sent_unix_s) == ("one", 2, 5.0)
    assert joiner.overdue(9999.0) == []


def test_a_flood_of_beginnings_does_not_grow_for_ever():
    joiner, given_up = Joiner(), []
    for number in range(MOST_OPEN + 10):
        given_up += joiner.add(Deliver(str(number), GSM7, b"x", None, Part(1, 2, 1)), float(number))
    assert [one.sender for one in given_up] == [str(number) for number in range(10)]
