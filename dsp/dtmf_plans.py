"""What national plans ask of a DTMF receiver. Sources: ITU-T Q.24, ETSI ES 201 235-3."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DtmfPlan:
    """What a national plan asks of a receiver (Q.24, ES 201 235-3).

    A tone within `accept_deviation` of its frequency must be accepted, one outside
    `reject_deviation` must not; likewise the durations. Levels are per tone.
    """

    accept_deviation: float
    reject_deviation: float
    accept_tone_ms: float
    reject_tone_ms: float
    accept_pause_ms: float
    bridge_pause_ms: float
    high_above_low_db: float
    low_above_high_db: float
    lowest_dbm0: float


PLANS: dict[str, DtmfPlan] = {
    "china": DtmfPlan(0.018, 0.030, 40, 20, 40, 10, 8, 8, -36),
    "att": DtmfPlan(0.018, 0.035, 40, 23, 40, 10, 8, 8, -36),
    "ntt": DtmfPlan(0.018, 0.030, 40, 24, 30, 10, 8, 8, -36),
    "brazil": DtmfPlan(0.018, 0.030, 40, 20, 30, 10, 9, 9, -36),
    "etsi": DtmfPlan(0.018, 0.035, 40, 20, 40, 20, 8, 8, -36),
}
"""Limits per plan. Where a country asks less than the others (AT&T: 4 dB of high
twist), the wider limit stands: accepting more key presses harms nobody."""

PLANS["denmark"] = PLANS["etsi"]

_PLAN_COUNTRIES = {
    "att": "US CA PR VI GU AG AI AS BB BM BS DM DO GD JM KN KY LC MP MS SX TC TT VC VG",
    "ntt": "JP",
    "brazil": "BR",
    "etsi": "AD AL AT BA BE BG CH CY CZ DE DK EE ES FI FO FR GB GI GL GR HR HU IE IS IT LI LT LU LV MC MD ME"
    " MK MT NL NO PL PT RO RS SE SI SK SM VA XK",
}
"""Countries (ISO 3166-1) of the plans: the North American numbering plan, and the area of ETSI in Europe."""


def plan_of(country: str) -> str:
    """The plan whose limits a country's receivers keep: China's where none of the others is in use."""
    return next(
        (plan for plan, codes in _PLAN_COUNTRIES.items() if country.upper() in codes.split()), "china"
    )
