"""Caller identification towards a telephone: when, in which form and with what in front of it.

    FSK after the first ring    bell ▄▄▄     ░ message ░        ▄▄▄
    FSK before the ring (GB)    ⇄ ▒alert▒  ░ message ░    bell ▄▄▄
    DTMF before the ring        ⇄ D 1 3 8 … C             bell ▄▄▄

⇄: the polarity is reversed. Sources: GR-30 (Bell 202 after the first ring), EN 300 659-1 (V.23; line
reversal, dual-tone alert and DTMF in annexes), SIN 227 (Great Britain), YD/T 1277 (China); which country
does which: the networks' own descriptions as gathered in the drivers of common adapters. No table covers
every exchange: a telephone is made for its country's usual form, and that is what it gets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from dsp import callerid_frames as frames
from dsp import fsk
from dsp.callerid_frames import Contents, Reason
from dsp.dtmf import dtmf_samples
from dsp.levels import SAMPLE_RATE_HZ, Samples
from dsp.tones import ToneSpec, sequence_samples

FSK_DBM0 = -13.5
DTMF_DBM0 = -9.0
ALERT_HZ = (2130.0, 2750.0)
ALERT_DBM0 = -17.0
ALERT_MS = 100.0
"""Dual-tone alerting signal, EN 300 659-1 clause 5.4.2: 88 to 110 ms while idle."""
AFTER_ALERT_MS = 100.0
"""Silence up to the message: 45 to 500 ms."""
MOST_DIGITS = 20
_DTMF_CODES: dict[Reason, str] = {"withheld": "B10", "unavailable": "B00"}


@dataclass(frozen=True)
class SendPlan:
    """What the telephones of a country expect.

    form: "fsk" or "dtmf". before_ring: else in the first long pause of ringing. reversal: the polarity
    is reversed before it (where the port can). alert: the dual tone comes first. keys: start and stop of
    a DTMF form. charset and name_octets: of names.
    """

    form: Literal["fsk", "dtmf"] = "fsk"
    standard: fsk.Standard = "bell202"
    before_ring: bool = False
    reversal: bool = False
    alert: bool = False
    keys: str = "DC"
    charset: str = "latin-1"
    name_octets: int = 15


_BELL = SendPlan()
_CHINA = SendPlan(charset="gb18030", name_octets=50)
_ETSI = SendPlan(standard="v23", name_octets=50)
_BRITAIN = SendPlan(standard="v23", before_ring=True, reversal=True, alert=True, name_octets=50)
_DTMF = SendPlan("dtmf", before_ring=True, reversal=True)

_PLANS: dict[str, SendPlan] = {
    "CN": _CHINA,
    **dict.fromkeys(("GB", "GG", "IM", "JE"), _BRITAIN),
    **dict.fromkeys(
        ("AT", "BE", "CH", "CZ", "DE", "EE", "ES", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU", "LV",
         "NO", "PL", "PT", "RO", "SI", "SK", "TR", "ZA"),
        _ETSI,
    ),
    **dict.fromkeys(("BR", "IN", "NL", "SA", "SE"), _DTMF),
    "DK": SendPlan("dtmf", before_ring=True, reversal=True, keys="A#"),
    "FI": SendPlan("dtmf", before_ring=True, reversal=True, keys="A#"),
}  # fmt: skip


def send_plan(country: str) -> SendPlan:
    """What a country (ISO 3166-1 alpha-2) uses; Bell 202 after the first ring where nothing else is known."""
    return _PLANS.get(country.upper(), _BELL)


def display_samples(plan: SendPlan, number: str, name: str, time: str, reason: Reason = "") -> Samples:
    """All that a telephone hears of its caller display, float32 [n].

    number: what is no key of a telephone is left out, and of more than 20 digits the last ones are sent.
    name: cut between characters to what the plan allows, left out when its alphabet lacks a character.
    time: "MMDDhhmm". Without a number the reason is sent.
    """
    digits = "".join(key for key in number if key in "0123456789*#+")[-MOST_DIGITS:]
    reason = "" if digits else reason or "unavailable"
    if plan.form == "dtmf":
        content = digits.translate({ord(c): None for c in "+*#"}) or _DTMF_CODES[reason or "unavailable"]
        return dtmf_samples(plan.keys[0] + content + plan.keys[1], 80.0, 80.0, DTMF_DBM0)
    octets = _name_octets(plan, "" if reason else name)
    frame = frames.encode(Contents(digits, "", time, reason), "mdmf", octets)
    message = fsk.modulate(fsk.frame_bits(frame), plan.standard, FSK_DBM0)
    if not plan.alert:
        return message
    alert = sequence_samples(ToneSpec(((ALERT_HZ, ALERT_DBM0, ALERT_MS),)), ALERT_MS)
    pause = np.zeros(round(AFTER_ALERT_MS * SAMPLE_RATE_HZ / 1000), np.float32)
    return np.concatenate([alert, pause, message])


def _name_octets(plan: SendPlan, name: str) -> bytes:
    octets = b""
    for character in name:
        try:
            piece = character.encode(plan.charset)
        except UnicodeEncodeError:
            return b""
        if not character.isprintable() or len(octets) + len(piece) > plan.name_octets:
            break
        octets += piece
    return octets
