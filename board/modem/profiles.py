"""What differs between voice-modem chipsets, one table per chipset.

Letters of events are those of V.253 and IS-101 unless a chipset has its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

EVENTS: Mapping[str, str] = {
    "R": "ring",
    "a": "answer-tone",
    "c": "fax-cng",
    "e": "data",
    "f": "data",
    "d": "dial",
    "b": "busy",
    "K": "congestion",
    "J": "sit",
    "r": "ringback",
    "s": "silence",
    "q": "silence",
    "h": "handset-on",
    "p": "handset-on",
    "H": "handset-off",
    "P": "handset-off",
    "l": "loop-break",
    "L": "polarity",
    "u": "underrun",
    "o": "overrun",
    "E": "bad-format",
    "/": "key-begins",
    "~": "key-ends",
}

TONES = frozenset({"dial", "busy", "congestion", "ringback", "sit", "silence", "answer-tone", "fax-cng"})


@dataclass(frozen=True)
class Profile:
    """One chipset.

    detect: in the answers to ATI0 and ATI3. formats: `+VSM` numbers whose meaning is known
    whatever they are called. wanted: sample formats, best first. end_stream: what ends `+VTR`.
    setup: commands of its own, after those common to all; a refusal is not minded.
    """

    name: str
    detect: str
    formats: Mapping[int, str] = field(default_factory=dict)
    wanted: tuple[str, ...] = ("s16", "alaw", "ulaw", "u8", "s8")
    off_hook: str = "AT+VLS=1"
    on_hook: str = "AT+VLS=0"
    end_stream: bytes = b"\x10^"
    setup: tuple[str, ...] = ()
    events: Mapping[str, str] = field(default_factory=lambda: EVENTS)


PROFILES: Mapping[str, Profile] = {
    "usr5637": Profile(
        "usr5637",
        r"\b5601\b|USR|U\.?S\.? ?Robotics|5637",
        formats={128: "u8"},
        end_stream=b"\x10!\x10\x03",
        setup=("AT+VSD=128,0",),
    ),
    "cx93010": Profile(
        "cx93010",
        r"\b56000\b|CX93|CX0|CX8|CONEXANT",
        formats={1: "u8", 130: "u8"},
        end_stream=b"\x10^",
    ),
    # A modem of unknown make that follows the standard. `I` is the loop break of some older ones.
    "v253": Profile("v253", r"", events={**EVENTS, "I": "loop-break"}),
}


def detect(answers: str) -> Profile:
    """The profile that fits what a modem says of itself; the plain standard when none does."""
    for profile in PROFILES.values():
        if profile.detect and re.search(profile.detect, answers, re.IGNORECASE):
            return profile
    return PROFILES["v253"]
