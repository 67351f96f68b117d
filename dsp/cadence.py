"""Whether a row of bursts and gaps is a tone of the network."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, pairwise

import numpy as np
from numpy.typing import NDArray

from dsp.linescan import OFF, LineScan, Run, Sines

TOLERANCE = 0.17
SLACK_MS = 35.0
"""A burst may be off by 15 %; its edges are seen to within a frame or two."""
LOOK_BACK = 640
"""Frames that are looked back on (12.8 s): three bursts of the slowest busy tone."""
UNDER_DB = 6.0
"""A window half full of the tone has this much less than a full one."""
OVER_DB = 3.0
"""A voice in phase with the tone may add this much."""
SHORTEST_BURST = 3
SHORTEST_GAP = 3
FAST_MS = 550.0
"""Two to four bursts of a cycle up to this may be the beeps that telephones confirm and remind with."""
BEGUN_FRAMES = 2
"""As long as this a burst has begun."""
BEGUN_UNDER_DB = 3.5
BEGUN_OVER_DB = 2.0
BEGUN_LESS = 0.2
"""So much of its power may be something else, more than in the burst before."""
STEADY_DB = 0.2
SAME_DB = 0.6
SHAKEN_DB = 2.0
"""What is left of a frame beside the tone shakes its level by up to this much."""
MOST_REST = 0.5
MEAN_REST = 0.28
"""Noise 5 dB under the tone, or a voice; music with a note at the tone's frequency leaves more."""
SINES_PURE = 0.9
SINES_SAME_DB = 1.3
SINES_STEADY_DB = 1.0
SINES_SHAKEN_DB = 2.5
STRAYS_HZ = 1.5
STRAYS_HZ_MS = 300.0
"""Bursts of one machine, with noise or a voice over them, differ by less; of 300 ms by less than 2.5 Hz."""
SINES_SAME_HZ = 0.6
SINES_PURE_IF_SAME = 0.8
SINES_EASE_IF_SAME = 1.4
ALONE_FRAMES = 20
"""Pieces of 0.4 s: in each a tone that goes on has the same level and frequencies."""
ALONE_WHOLE = 0.75
"""In so many of them none of its frequencies is missing. A voice hides one now and then."""
ALONE_OFF = 0.03
"""Its frequencies are off together, by shares of them that differ less; those of an interval are not."""
ALONE_REST = 0.15
ALONE_EVEN = 0.3
"""More than that may be beside it if it is noise: there is as much of it in every frame."""
ALONE_DB = 2.0
ALONE_HZ = 0.6
"""Dial tones with our own voice 10 dB under them: rest 0.10, 1.4 dB, 0.3 Hz; with noise 6 dB under them: rest
0.22, as even as 0.2. Music taken for one: rest 0.18 to 0.28, no more even than 0.4, or 3.2 dB and 1.2 Hz."""
NOTE_SHARE = 0.7
NOTE_UNDER_DB = 8.0
"""A gap holds a note when more than that share of it is one sine, no further under the tone than that; where
gap and burst are equally long."""
RARE = 0.2
MORE_SHARE = 0.03
"""A tone of several frequencies must explain this much more than a tone of some of them."""
SHARE_NEAR = 0.12
"""Signatures within this share of the best one are not told apart by frequency."""


def error(ms: float, wanted_ms: float, still_running: bool = False) -> float:
    """How far a stretch of `ms` is from `wanted_ms`: 0 exact, over 1 too far; a running one may yet grow."""
    off = ms - wanted_ms
    if off < 0 and still_running:
        return 0.0
    return abs(off) / (wanted_ms * TOLERANCE + SLACK_MS)


def cadence_error(cadence_ms: tuple[int, ...], runs: Sequence[Run], cut: bool = False) -> float:
    """How badly alternating runs (the first a burst, the last still running) keep to a cadence.

    0 is exact, over 1 is not this cadence. With `cut`, the first burst may be
    the rest of one whose beginning was not seen.
    """
    last = len(runs) - 1
    if not cadence_ms:
        return 0.0 if last == 0 else 9.0
    size = len(cadence_ms)
    best = 9.0
    for shift in range(0, size, 2):
        worst = 0.0
        for i, run in enumerate(runs):
            running = i == last or (cut and i == 0)
            worst = max(worst, error(run.ms, cadence_ms[(shift + i) % size], running))
            if worst > 1.0:
                break
        best = min(best, worst)
    return best


def hear(scan: LineScan, port: int, anchor: Run, signature: int | None = None) -> Heard:
    """`Heard`, shared by all detectors that ask in the same frame; by default of the best signature."""
    key = (scan.number, anchor.start, signature)
    kept = scan.kept.get(port)
    if kept is None or kept[0] != key:
        kept = scan.kept[port] = (key, Heard(scan, port, anchor, signature))
    heard = kept[1]
    assert isinstance(heard, Heard)
    return heard


class Heard:
    """The bursts and gaps of one tone on a port, seen through whatever else is on the line.

    The tone's level and frequencies are taken from one burst, the anchor. Back
    from now, a frame belongs to the tone when it has that level at those
    frequencies: a voice over it, or in its gaps, has not.

        level    ▁▇▇▇▇▁▁▂▃▁▇▇█▇▁▁▁▁▇▇▇▇▁▁   ▂▃ a weaker voice, █ a voice on top
        bursts    ━━━━      ━━━━    ━━━━
    """

    def __init__(self, scan: LineScan, port: int, anchor: Run, signature: int | None = None) -> None:
        self._scan = scan
        self._port = port
        self.net = scan.networks[port]
        if signature is None:
            signature = scan.best_signature(port, anchor)
        self.signature = signature
        self._beat = self.net.beats[signature]
        self._first, self._level = scan.track(port, signature, LOOK_BACK)
        inside = self._inside(anchor)
        self.level_dbm0 = _middle(inside)
        self.runs = self._bursts()
        """Bursts and gaps in turn, the first a burst, the last still running; empty when there is none."""
        self._whole: dict[tuple[int, int], bool] = {}
        self._shares: dict[int, NDArray[np.float32]] = {}

    def _bursts(self) -> list[Run]:
        above = self._level - self.level_dbm0
        on = (above > -UNDER_DB - self._beat.down_db) & (above < OVER_DB + self._beat.up_db)
        if not len(on):
            return []
        opens = bool(on[0])
        edges: list[int] = ((on[1:] != on[:-1]).nonzero()[0] + 1).tolist()
        edges = _without_short(edges, opens, SHORTEST_GAP, False)
        edges = [0, *_without_short(edges, opens, SHORTEST_BURST, True), len(on)]
        kinds = cycle((1, OFF) if opens else (OFF, 1))
        first = self._first
        runs = [Run(kind, first + a, b - a) for kind, (a, b) in zip(kinds, pairwise(edges), strict=False)]
        return runs if opens else runs[1:]

    def _inside(self, run: Run) -> NDArray[np.float32]:
        first = min(max(run.start - self._first + 1, 0), len(self._level) - 1)
        last = max(run.start - self._first + run.frames - 1, first + 1)
        return self._level[first:last]

    def quality(self, runs: Sequence[Run]) -> float:
        """How far these bursts are from one unchanging tone: 0 perfect, over 1 something else.

        A tone keeps its level within a burst and from burst to burst; what
        noise or a voice over it may change follows from the share of power
        that the tone leaves unexplained. A note of music decays, a syllable
        moves.
        """
        bursts = [run for run in runs if run.kind != OFF]
        rests = [1.0 - float(self.share_of(run).max()) for run in bursts]
        if not rests or max(rests) > MOST_REST or sum(rests) > MEAN_REST * len(rests):
            return 9.0
        medians = []
        worst = 0.0
        for run, rest in zip(bursts, rests, strict=True):
            levels = self._inside(run)
            median = _middle(levels)
            half = len(levels) // 2
            slope = abs(_middle(levels[:half]) - _middle(levels[-half:])) if half else 0.0
            spread = _middle(np.abs(levels - median))
            worst = max(worst, max(spread, slope) / (STEADY_DB + self._beat.spread_db + rest * SHAKEN_DB))
            medians.append(median)
        if len(medians) > 1:
            allowed = SAME_DB + self._beat.spread_db + max(rests) * SHAKEN_DB
            worst = max(worst, (max(medians) - min(medians)) / allowed)
        return worst

    def keeps_frequency(self, runs: Sequence[Run], names: Sequence[str]) -> bool:
        """Whether all bursts have the same frequencies, as a machine's have; the next note of a tune has not.

        `names`: the tones that the runs may be. Bursts whose sound is no longer kept are not asked.
        """
        return any(self._strays(runs, signature) <= 1.0 for signature in self._signatures(runs, names))

    def quality_of_sines(self, runs: Sequence[Run], names: Sequence[str]) -> float:
        """`quality` once more, of the sines alone: a voice beside them shakes these four times less.

        `names`: the tones that the runs may be; the sines are those of the one that fits best.
        """
        signatures = self._signatures(runs, names)
        return min((self._quality_of_sines(runs, signature) for signature in signatures), default=9.0)

    def _signatures(self, runs: Sequence[Run], names: Sequence[str]) -> set[int]:
        return {
            signature
            for name, cadence_ms, signature, _ in self.net.forms
            if name in names and self.error(cadence_ms, signature, runs, cut=True) <= 1.0
        }

    def _sines(self, run: Run, signature: int) -> Sines | None:
        """The sines of a burst, its edges left out."""
        stop = min(run.start + run.frames - 1, self._scan.number)
        return self._scan.sines(self._port, run.start + 1, stop, self.net.lines[signature])

    def _strays(self, runs: Sequence[Run], signature: int) -> float:
        """How far apart the bursts' frequencies are: over 1, they are not the same."""
        seen = [(run.ms, self._sines(run, signature)) for run in runs if run.kind != OFF]
        kept = [(ms, sines.hz) for ms, sines in seen if sines is not None]
        if len(kept) < 2:
            return 0.0
        apart_hz = _apart([hz for _, hz in kept])
        return apart_hz / (STRAYS_HZ + STRAYS_HZ_MS / min(ms for ms, _ in kept))

    def _quality_of_sines(self, runs: Sequence[Run], signature: int) -> float:
        """The quality as one unchanging set of sines; 9 where the sound is no longer kept.

        A voice that has a harmonic at the tone's frequency shakes one burst and not the next; a note
        of music fades in every one. So one half of one burst may be off, the rest must agree. More may be off
        where the bursts have one and the same frequency, which a voice never finds again so exactly.
        """
        whole, fades = [], []
        for run in runs:
            if run.kind == OFF:
                continue
            half = run.frames // 2
            seen = self._sines(run, signature)
            early = self._sines(Run(run.kind, run.start, half + 1), signature)
            late = self._sines(Run(run.kind, run.start + half - 1, run.frames - half + 1), signature)
            if seen is None or early is None or late is None or seen.missing:
                return 9.0
            whole.append(seen)
            fades.append(abs(early.level_db - late.level_db))
        if len(whole) < 2:
            return 9.0
        purities = sorted(seen.purity for seen in whole)
        same = _apart([seen.hz for seen in whole]) < SINES_SAME_HZ and purities[1] > SINES_PURE
        if purities[0] < (SINES_PURE_IF_SAME if same else SINES_PURE):
            return 9.0
        levels = [seen.level_db for seen in whole]
        spread = self._beat.spread_db
        worst = max(
            (max(levels) - min(levels)) / (SINES_SAME_DB + spread),
            sorted(fades)[-2] / (SINES_STEADY_DB + spread),
            max(fades) / (SINES_SHAKEN_DB + spread),
        )
        return worst / (SINES_EASE_IF_SAME if same else 1.0)

    def stands_alone(self, run: Run, names: Sequence[str]) -> bool:
        """Whether a long burst is one tone that goes on unchanged with little beside it, piece by piece.

        `names`: the tones that it may be. A held note swells, fades or trembles within seconds, or others
        come and go beside it. A frequency that a voice hides in a piece is not asked for there, but it is
        there in most.
        """
        return any(self._stands_alone(run, signature) for signature in self._signatures([run], names))

    def _stands_alone(self, run: Run, signature: int) -> bool:
        rests = self._scan.rests(self._port, run, signature)
        rest = float(rests.mean())
        if rest > ALONE_REST and float(rests.std()) > ALONE_EVEN * rest:
            return False
        lines_hz = self.net.lines[signature]
        stop = min(run.start + run.frames - 1, self._scan.number)
        pieces = [
            self._scan.sines(self._port, last - ALONE_FRAMES, last, lines_hz)
            for last in range(stop, run.start + ALONE_FRAMES, -ALONE_FRAMES)
        ]
        seen = [piece for piece in pieces if piece is not None]
        if not seen:
            return False
        whole_hz = [piece.hz for piece in seen if not piece.missing]
        if len(whole_hz) < ALONE_WHOLE * len(seen):
            return False
        off = np.median(np.array(whole_hz) / np.array(lines_hz), axis=0)
        if float(off.max() - off.min()) > ALONE_OFF:
            return False
        return _stray([(piece.level_db,) for piece in seen]) <= ALONE_DB and _stray(whole_hz) <= ALONE_HZ

    def begins(self) -> bool:
        """Whether a burst has just begun, as loud and as pure as those before it."""
        if len(self.runs) < 3 or self.runs[-1].kind == OFF or self.runs[-1].frames < BEGUN_FRAMES:
            return False
        above_db = float(self._level[-1]) - self.level_dbm0
        if not -BEGUN_UNDER_DB - self._beat.down_db < above_db < BEGUN_OVER_DB + self._beat.up_db:
            return False
        newest = self._scan.shares(self._port, Run(1, self._scan.number - 2, 2))[self.signature]
        return bool(newest > self.share_of(self.runs[-3])[self.signature] - BEGUN_LESS)

    def gap_depth_db(self, runs: Sequence[Run]) -> float:
        """How much weaker than the bursts the tone's frequencies are in the loudest of the gaps."""
        gaps = [_middle(self._inside(run)) for run in runs if run.kind == OFF]
        return self.level_dbm0 - max(gaps) if gaps else 99.0

    def has_notes_in_gaps(self, runs: Sequence[Run]) -> bool:
        """Whether every gap but the last is filled by one sine about as loud as the tone: a melody.

        There must be two whose sound is kept. Somebody's voice, or ours, may fill gaps, but it is no sine.
        """
        notes = []
        for burst, gap in pairwise(runs[:-1]):
            if gap.kind != OFF:
                continue
            tone = self._sines(burst, self.signature)
            note = self._scan.note(self._port, gap.start + 1, gap.start + gap.frames - 1)
            if tone is not None and note is not None:
                level_db, share = note
                notes.append(share > NOTE_SHARE and level_db > tone.level_db - NOTE_UNDER_DB)
        return len(notes) > 1 and all(notes)

    def share_of(self, run: Run) -> NDArray[np.float32]:
        """Mean share of each signature in a burst."""
        if run.start not in self._shares:
            self._shares[run.start] = self._scan.shares(self._port, run)
        return self._shares[run.start]

    def error(
        self, cadence_ms: tuple[int, ...], signature: int, runs: Sequence[Run], cut: bool = False
    ) -> float:
        """How badly these runs, the first a burst, keep to a tone; over 1: it is another."""
        wrong = cadence_error(cadence_ms, runs, cut)
        if wrong > 1.0:
            return wrong
        for run in runs:
            if run.kind != OFF:
                share = self.share_of(run)
                if share[signature] < share.max() - SHARE_NEAR:
                    return 9.0
                if any(share[part] > share[signature] - MORE_SHARE for part in self.net.parts[signature]):
                    return 9.0
        return wrong

    def _is_whole(self, signature: int, runs: Sequence[Run]) -> bool:
        """Whether none of a tone's several frequencies is missing from the newest whole burst."""
        lines_hz = self.net.lines[signature]
        bursts = [run for run in runs if run.kind != OFF]
        burst = bursts[-2] if len(bursts) > 1 and runs[-1].kind != OFF else bursts[-1]
        key = (signature, burst.start)
        if len(lines_hz) > 1 and key not in self._whole:
            self._whole[key] = self._scan.has_lines(self._port, burst, lines_hz)
        return self._whole.get(key, True)

    def burst_fits(self, name: str, run: Run, cut: bool = False) -> bool:
        """Whether a burst alone, whole or `cut` short, may be one of the tone of that name."""
        return any(
            known == name
            and self.error((), signature, [run]) <= 1.0
            and (not cadence_ms or min(error(run.ms, on, cut) for on in cadence_ms[0::2]) <= 1.0)
            for known, cadence_ms, signature, _ in self.net.forms
        )

    def best(self, runs: Sequence[Run], cut: bool = False, ended: Run | None = None) -> dict[str, float]:
        """The tones that these runs can be, with how far each is off, the nearest first.

        `ended`: a burst that has just begun and says no more than that the last gap is over.

        Of two that fit alike, the usual form of one goes before a rare form of the other.
        """
        found: dict[str, float] = {}
        for name, cadence_ms, signature, rank in self.net.forms:
            wrong = self.error(cadence_ms, signature, runs, cut)
            if ended is not None:
                wrong = max(wrong, cadence_error(cadence_ms, [*runs, ended], cut))
            if wrong <= 1.0 and self._is_whole(signature, runs):
                wrong += RARE * rank
                found[name] = min(wrong, found.get(name, 9.0))
        return dict(sorted(found.items(), key=lambda item: item[1]))


def _middle(values: NDArray[np.float32]) -> float:
    """The median of a few values, without numpy's detours."""
    ordered = np.sort(values)
    return float(ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


def _apart(bursts_hz: Sequence[tuple[float, ...]]) -> float:
    """How much (Hz) the frequencies of some bursts differ from burst to burst at most."""
    strayed: list[float] = [max(line) - min(line) for line in zip(*bursts_hz, strict=True)]
    return max(strayed)


def _stray(pieces: Sequence[tuple[float, ...]]) -> float:
    """How far any of some values strays at most from its own middle."""
    if not pieces:
        return 0.0
    values = np.array(pieces)
    return float(np.abs(values - np.median(values, axis=0)).max())


def _without_short(edges: list[int], opens: bool, frames: int, what: bool) -> list[int]:
    """`turn_short`, of the edges between stretches, the first of which is on if it `opens`."""
    first = int(opens == what)
    kept = edges[:first]
    for i in range(first, len(edges) - 1, 2):
        if edges[i + 1] - edges[i] >= frames:
            kept += edges[i : i + 2]
    if edges and (len(edges) - first) % 2 == 1:
        kept.append(edges[-1])
    return kept


def turn_short(on: NDArray[np.bool_], frames: int, what: bool) -> None:
    """Turn over the stretches of `what` that are shorter than `frames`, those at the ends excepted."""
    if not len(on):
        return
    opens = bool(on[0])
    edges = _without_short((np.flatnonzero(on[1:] != on[:-1]) + 1).tolist(), opens, frames, what)
    for i, (a, b) in enumerate(pairwise([0, *edges, len(on)])):
        on[a:b] = opens == (i % 2 == 0)


def stretches(on: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First frame of each stretch that is on, and the one after its last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], on, [False]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
