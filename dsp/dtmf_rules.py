"""What makes two tones a key: the rules of the DTMF receiver for tones that something disturbs.

Each is of numbers that `dsp.dtmf_look` measures. Their limits lie between keys in noise, speech, music, dial
tone and echoes, as they were made by the ten thousand, and what speech and music were taken for keys.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from dsp.dtmf_bank import Bools
from dsp.dtmf_look import Course, Onset, Rest
from dsp.dtmf_plans import DtmfPlan
from dsp.levels import SAMPLE_RATE_HZ, peak_from_dbm0

_MOST_BASS = 0.25
LEAST_SPREAD = 0.2
_MOST_STIR_WHERE_FLAT = 0.1
_MOST_RESIDUE_WHERE_FLAT = 0.07
_MOST_RESIDUE_PEAK_WHERE_FLAT = 0.05
_MOST_BASS_WHERE_FLAT = 0.8
_MOST_LEAD_WHERE_FLAT = 0.17
"""Chosen between keys over speech and the noise of a car, whose tones lead by up to 0.16, and the 20 h of
speech and music of docs/dsp-report.md, heard at several speeds."""
_MOST_RESIDUE_WITHOUT_BASS = 0.15
"""What stands out beside two tones is no harmonic up to this where no pitch is heard under them."""
_GROWN_DB = 3.0
"""So much louder than before it noise may seem to be while a key sounds: white noise by less than 3.2 dB
beside 999 of 1000 keys, brown noise by up to 4.3. What has grown more was not there, or is no noise: it
excuses nothing that was there before the tones."""
_MOST_GROWN_DB = 6.0
"""What has grown by more began with the tones and is no noise, so there may not be much of it. This takes 2
of 1500 keys over speech 8 dB under them. The price are keys of somebody whose noise comes and goes with them:
two in five where it is 8 dB under them, three in four at 6 dB, none at 10 dB."""
_LEAD_OF_NOISE = 0.55
"""What is there before a tone, in units of the noise beside the weaker one; that of keys is up to 0.5."""
_MOST_APART_SAMPLES = 20.0
_MOST_APART_OF_NOISE_SAMPLES = 36.0
"""So far apart both tones of a key seem to begin, the second in units of the noise beside the weaker one: of
33,000 keys in noise of 5 dB and more, over speech, music and dial tone and with echoes two were farther
apart, whose one tone was 8 dB under the other and no louder than the noise."""
_MOST_PEAKS = ((0.2, 0.13), (0.15, 0.16))
"""Where more than the first is left beside two tones, no part of it stands out more than the second: of
33,000 keys in noise of 5 dB and more, over speech, music and dial tone four do."""
_MOST_RUGGED_DB = 5.0
"""Much that is left beside two tones is noise, or they are none of a key. That beside 22,000 keys in white
and brown noise 5 to 10 dB under them is up to 4.6 dB, where its expectation is 2.5; of 66 pieces of 20 h of
speech and music that came near to keys with so much beside them all but nine are more rugged, up to 14 dB."""
_MOST_CREST_OF_NOISE = 14.0
"""Noise 6 to 14 dB under 4,000 keys has up to 12.7; beside two partials of a struck string that lie 2 % off
the tones of a key another one has 25."""
_MOST_OFF_OF_DIVIDERS = 0.008
"""Telephones divide the 3.58 MHz of a crystal: their worst tone is 0.74 % off. A key that is farther off must
be accepted, but not where it is disturbed just as a chord would be."""
_MOST_STIR_OVER_BASS = 0.015
"""More than noise explains: keys over dial tone, 1.5 % off and in noise 10 dB under them, are up to 0.008."""
_MOST_RESIDUE_OF_LATE = 0.26
"""Noise 7 dB under a key leaves less of its power, once 100 ms of it are heard."""
_MOST_RESIDUE_OF_LATE_THIRD = 0.08
_MOST_CREST_OF_LATE_THIRD = 25.0
"""Beside chords that were taken for keys so late stands a third tone of 0.1 to 0.14 and 60 to 120; of keys
over speech, music and noise 2 to 12 dB under them, those that are taken late, 2.4 in 100 are over both."""
_MOST_OF_BOTH_BEFORE = 0.33
_MOST_OF_ONE_BEFORE = 0.8
"""Two tones with a third, of both or one of which so much was there before they seemed to begin, are a chord
that swells, however long they go on. Of the same keys five in 1000 are like that; of keys whose beginning
noise drowns none, for noise has no third tone. The price are keys over a chord of their own two tones."""
_LEAST_RESIDUE_OF_THIRD = 0.03
_LEAST_CREST_OF_THIRD = 12.0
_LEAST_STIR_OF_ECHO = 0.08
_MOST_RESIDUE_OF_ECHO = 0.1
TWIST_MARGIN_DB = 1.0


class Verdict(NamedTuple):
    """Of two tones: whether they may be a key as far as what they leave goes, whether there is bass beside
    them that has yet to be explained, and whether they swell, which no key does."""

    key: bool
    has_bass: bool
    swells: bool


class KeyRules:
    """The rules, with the limits of a plan."""

    def __init__(self, plan: DtmfPlan) -> None:
        self.plan = plan
        self._middle_deviation = 0.5 * (plan.accept_deviation + plan.reject_deviation)
        self.least_samples = samples((plan.accept_tone_ms + plan.reject_tone_ms) / 2)
        self.least_peak = peak_from_dbm0(plan.lowest_dbm0 - 2.0)

    def deviation(self, spread: float) -> float:
        """The largest deviation of a key; `spread`: how far from what must be accepted to the middle."""
        return self.plan.accept_deviation + spread * (self._middle_deviation - self.plan.accept_deviation)

    def is_even(self, course: Course) -> Bools:
        """Whether both tones are near their frequencies and go on evenly enough for any key, [ports]."""
        verdict: Bools = course.off < self.deviation(1.0)
        verdict &= (course.wobble_rad < 0.3) & (course.unevenness < 0.26)
        return verdict

    def judge(self, rests: list[Rest], course: Course) -> Iterator[Verdict]:
        """Whether what two tones leave of each run may be what a line adds to a key."""
        columns = (column.tolist() for column in course[1:])
        for rest, off, wobble_rad, unevenness in zip(rests, *columns, strict=True):
            yield self._judge(rest, off, wobble_rad, unevenness)

    def _judge(self, rest: Rest, off: float, wobble_rad: float, unevenness: float) -> Verdict:
        flat = rest.onset is not None and _is_flat(rest, wobble_rad, unevenness)
        most_bass = _MOST_BASS_WHERE_FLAT if flat else min(_MOST_BASS, 0.08 + 0.2 * rest.noise)
        has_bass = rest.bass_peak > most_bass
        key = self._is_key(rest, wobble_rad, unevenness, off, flat, has_bass)
        key = key and not (has_bass and rest.residue > 0.03 and rest.residue_crest > 12.0)
        return Verdict(
            key, key and has_bass, not key and rest.onset is not None and _swells(rest, rest.onset)
        )

    def _is_key(
        self,
        rest: Rest,
        wobble_rad: float,
        unevenness: float,
        off: float,
        flat: bool,
        has_bass: bool,
    ) -> bool:
        residue = rest.residue
        low_peak, high_peak = rest.peak
        if residue > 0.42 or rest.residue_peak > 0.25 or min(low_peak, high_peak) < self.least_peak:
            return False
        if stands_out(rest):
            return False
        # Noise moves amplitude and phase of the weaker tone as far as it is loud. A residue
        # that moves them less is made of steady tones; one that moves them more is none of
        # noise; one that stands out of its spectrum is a harmonic.
        noise = math.sqrt(rest.noise)
        least_stir, most_stir = sorted((wobble_rad, unevenness))
        if not _is_clipped(rest, most_stir) and not _may_be_noise(rest):
            return False
        lifeless = least_stir < 0.025 * noise or math.hypot(least_stir, most_stir) < 0.09 * noise
        if lifeless and residue > 0.004 and rest.residue_crest < 14.0:
            return False
        if not flat and (
            most_stir > 0.05 + 0.38 * noise
            or (is_harmonic(rest, most_stir) and (has_bass or residue > _MOST_RESIDUE_WITHOUT_BASS))
        ):
            return False
        over_bass = has_bass and off > _MOST_OFF_OF_DIVIDERS
        if over_bass and most_stir > _MOST_STIR_OVER_BASS + 0.38 * noise:
            return False
        # The quieter the noise, the surer are twist and frequency. What is loud in the bass is no noise, nor
        # is a third tone, nor what was not there before.
        margin_db = TWIST_MARGIN_DB + 2.0 * noise
        no_noise = has_bass or rest.residue_crest > _MOST_CREST_OF_NOISE or rest.grown_db > _MOST_GROWN_DB
        spread = LEAST_SPREAD if no_noise else min(max(0.05 + 1.45 * noise, LEAST_SPREAD), 1.0)
        twist_db = 20.0 * math.log10(high_peak / low_peak)
        return (
            (_begins(rest, rest.onset, off, flat) if rest.onset else _is_late_key(rest, off, most_stir))
            and off < self.deviation(spread)
            and -self.plan.low_above_high_db - margin_db < twist_db < self.plan.high_above_low_db + margin_db
        )


def stands_out(rest: Rest) -> bool:
    """Whether of much that two tones leave a part stands out as it does beside no key."""
    return any(rest.residue > much and rest.residue_peak > peak for much, peak in _MOST_PEAKS)


def _may_be_noise(rest: Rest) -> bool:
    """Whether what two tones leave, where it is much, has the spectrum of noise and was there before."""
    return rest.rugged_db == 0.0 or (rest.rugged_db < _MOST_RUGGED_DB and rest.grown_db < _MOST_GROWN_DB)


def _is_flat(rest: Rest, wobble_rad: float, unevenness: float) -> bool:
    """Whether two tones are so even, with so little beside them above the bass, that there may be bass too.

    No voice and no music holds two tones of a key like that; all of them are far from one limit or another.
    """
    return (
        max(wobble_rad, unevenness) < _MOST_STIR_WHERE_FLAT
        and rest.residue < _MOST_RESIDUE_WHERE_FLAT
        and rest.residue_peak < _MOST_RESIDUE_PEAK_WHERE_FLAT
    )


def _begins(rest: Rest, onset: Onset, off: float, flat: bool) -> bool:
    """Whether both tones begin as those of a key: not there before, and at once.

    Noise that hides in the weaker of them is no excuse for the louder one.
    """
    noise = math.sqrt(rest.noise)
    before = noise * min(10.0 ** ((_GROWN_DB - rest.grown_db) / 20.0), 1.0)
    weaker = min(rest.peak)
    for lead, peak in zip(onset.lead, rest.peak, strict=True):
        most_lead = 0.07 + before * min(0.5, _LEAD_OF_NOISE * weaker / peak)
        if lead >= (max(most_lead, _MOST_LEAD_WHERE_FLAT) if flat else most_lead):
            return False
    if onset.apart > _MOST_APART_SAMPLES + _MOST_APART_OF_NOISE_SAMPLES * noise:
        return False
    over_bass = flat and rest.bass_peak > _MOST_BASS
    return not over_bass or off < _MOST_OFF_OF_DIVIDERS or onset.apart < 3.0 + 30.0 * noise


def _swells(rest: Rest, onset: Onset) -> bool:
    """Whether two tones with a third were there before they seemed to begin."""
    third = rest.residue > _LEAST_RESIDUE_OF_THIRD and rest.residue_crest > _LEAST_CREST_OF_THIRD
    return third and (min(onset.lead) > _MOST_OF_BOTH_BEFORE or max(onset.lead) > _MOST_OF_ONE_BEFORE)


def _is_late_key(rest: Rest, off: float, most_stir: float) -> bool:
    """Whether two tones that were taken for no key while their beginning was heard may be one after all.

    The longer they are heard, the less noise is left to explain what disturbs them.
    """
    third = rest.residue > _MOST_RESIDUE_OF_LATE_THIRD and rest.residue_crest > _MOST_CREST_OF_LATE_THIRD
    if rest.residue > _MOST_RESIDUE_OF_LATE or (third and is_harmonic(rest, most_stir)):
        return False
    return off < _MOST_OFF_OF_DIVIDERS or _is_flat(rest, most_stir, most_stir)


def may_echo(rest: Rest, most_stir: float) -> bool:
    """Whether two tones are no key because they move, which may be an echo, and little else disturbs them."""
    little_else = rest.residue < _MOST_RESIDUE_OF_ECHO and rest.bass_peak < _MOST_BASS_WHERE_FLAT
    return little_else and most_stir > _LEAST_STIR_OF_ECHO


def is_harmonic(rest: Rest, most_stir: float) -> bool:
    """Whether what two tones leave is a third one; what clipping adds stands out as well.

    The more there is left, the less of it may stand out: two of 33,000 disturbed keys are over the last two.
    """
    residue, crest = rest.residue, rest.residue_crest
    third = (residue > 0.03 and crest > 20.0) or (residue > 0.08 and crest > 14.0)
    return (third or (residue > 0.25 and crest > 13.0)) and not _is_clipped(rest, most_stir)


def _is_clipped(rest: Rest, most_stir: float) -> bool:
    """Whether what two tones leave is of a limiter: steady, and all of it where that puts it."""
    return most_stir < 0.02 + 0.35 * rest.residue and rest.unclipped < 0.025


def samples(duration_ms: float) -> float:
    """How many last so long."""
    return duration_ms * SAMPLE_RATE_HZ / 1000.0
