"""Line echo cancellation over all ports at once, in the frequency domain.

Method. The echo path of each port is one filter of `taps` samples, applied by
overlap-save. It is found by recursive least squares, not by gradient steps:
every block adds its normal equations to a running sum,

    R += w · (autocorrelation of the far signal)
    q += w · (correlation of far signal and residual)

and conjugate-direction steps walk the filter towards R⁻¹q. R is kept as a power
spectrum, so a product with it is a multiplication between two FFTs. Both signals are
pre-whitened for the equations, since speech falls by 40 dB over the band. R need not be
exact, since q is made from what is left: it only says how far to go in which direction.

Double-talk needs no detector: a block counts with the weight w = power of its
residual to −0.45, so that loud near-end speech writes little into the equations, while
in single talk, where the residual is small, all is learned. A block that is softer than its
echo may become, which has yet to come, counts no more than that echo would.

Time is bounded: per tick only so many ports learn, those that have waited longest
and are furthest from converged first. A port that has converged learns from every eighth block,
and sooner when a sound comes through that its filter has not met.

What the linear filter leaves is turned down in `dsp.echo_residual`.

Sources: Haykin, Adaptive Filter Theory (least squares, Toeplitz systems); Chan and
Ng on the preconditioned conjugate gradient method; ITU-T G.168 for what is measured.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dsp.echo_residual import BLOCK_SAMPLES, LOG_OF_DB, ResidualSuppressor
from dsp.fft import backward, forward
from dsp.levels import rms_from_dbm0

Float = NDArray[np.float32]
Spectra = NDArray[np.complex64]
Rows = NDArray[np.intp]

HISTORY_BLOCKS = 8
"""The far signal is kept this much longer than needed, so that it is moved once in 8 ticks."""
PRE_WHITENING = np.float32(0.9)
FORGETTING = np.float32(0.985)
"""Per block that is learned from: a memory of 1.3 s of talking, 5 s once converged."""
WEIGHT_POWER = np.float32(-0.45)
WEIGHT_FLOOR = np.float32(50.0)
UNSEEN_DB = np.float32(-12.0)
"""No residual counts as softer than the far end by this and the usual leak."""
PRECONDITIONER_FLOOR = np.float32(0.04)
DIRECTION_MEMORY = np.float32(0.7)
FAR_OFF_LEAK_DB = np.float32(-20.0)
"""Residual over echo above which a port learns from every block and is solved at once."""
CONVERGED_LEAK_DB = np.float32(-28.0)
"""Under this a port waits for every second turn, between the two for every turn."""
SPOKEN_OVER_DB = np.array(-28.5, np.float32)
"""A port whose path is known counts as so well converged while the near end speaks as well."""
LEARNING_TURN = 2
SOLVING_TURN = 6
"""Ticks."""
FEW = 0.25
"""So small a share of the ports gets no turn of its own."""
CONVERGED_EVERY = 8
"""Ticks after which a converged port learns again, if its blocks bring nothing new."""
NOVELTY_DB = np.float32(8.0)
NOT_NOVEL_DB = np.float32(-3.0)
"""Residual over leak, and over echo, between which a block holds a sound not met before."""
NOVEL_WEIGHT = np.float32(2.5)
"""How much more such a block counts: its residual is error of the filter, not speech of the near end."""
LEARNED_LEAK_DB = np.float32(-16.0)
"""A filter that has once been this good and now makes things worse belongs to another path."""
LEARNING_PORTS = 32
REFRESHING_PORTS = 12
"""At most so many ports learn in a tick: when many are not converged, and when all are."""
SOLVING_PORTS = 32
SHARPENING_PORTS = 16
"""At most so many ports improve their filter in a tick: when many are not converged, and when all are."""
SPARING_PORTS = 8
"""At most so many do either while there are conversations."""
STEPS = 3
SHARPENING_STEPS = 2
"""How many conjugate directions are gone each time: when some ports are not converged, and when all are."""
MOSTLY = 0.8
"""Share of the ports above which all are transformed."""
# Energies are those of a block, the sum of the squares of its samples.
LOUDEST_ENERGY = np.float32(BLOCK_SAMPLES * 32768.0**2)
FAR_SILENT_ENERGY = np.float32(BLOCK_SAMPLES * rms_from_dbm0(-50.0) ** 2)
"""Below this the far signal teaches nothing and makes no audible echo."""
NARROW_BINS = np.float32(5.0)
"""A far signal whose power fills fewer bins of the FFT than this is a tone, or two; so is many a vowel."""
NARROW_EVERY = 2
"""Ticks between looks."""
NARROW_TIMES = 3
"""Looks in a row after which it is no vowel; until then its equations count `VOWEL_WEIGHT`."""
VOWEL_WEIGHT = np.float32(0.1)
NARROW_WEIGHT = np.float32(5e-5)
"""A tone is cancelled too, but next to any speech its equations count for nothing."""
TONAL_BINS = np.float32(10.0)
"""The same for a block of the near end."""
LEAST_ENERGY = np.float32(BLOCK_SAMPLES)
"""Added to those of echo and residual, so that there is a ratio of silent ones."""
RINGING = np.float32(0.3)
"""How much of an echo's energy may still come in the next block."""
NOWHERE_DB = np.array(-100.0, np.float32)
"""Under every leak."""
MEAN_STEP = np.float32(0.1)
WORSE = np.float32(1.1)
CHANGED_TICKS = 12
"""A filter that makes things worse for this many ticks more than it does not is of another path."""
LOST_TICKS = 15
"""The same for a filter that was never good: rubbish was sent, or a tone."""
HELPLESS = np.float32(0.85)
"""Residual over near above which a filter that has not learned yet is not used."""
WORSE_AT_ONCE = np.float32(1.6)
FAITH_STEP = np.float32(0.1)
FAITH_ENERGY = np.float32(BLOCK_SAMPLES * 100.0)
UNFAITHFUL = np.float32(0.3)
"""How far from 1 the part of the echo that is found in the near signal (0.3 s mean) is on another path."""
LITTLE_GAIN = np.float32(0.2)
"""Residual over near above which a path that was learned deserves suspicion."""
CHANCE = np.float32(4.0)
"""How far the difference is over the power that any near end adds to it by chance."""
UNFAITHFUL_LOOKS = 4
"""Looks in a row, one every `NARROW_EVERY` ticks, after which the path counts as another.

One at which the difference may be chance counts for less.
"""
OFFSET_STEP = np.float32(1 / 32)
"""A direct current beside the sound is followed with a time constant of 0.6 s."""
OFFSET_EVERY = 4
"""Blocks of which the mean is taken, once the first 0.6 s are over: looking costs more than summing up."""
LEAST_OFFSET = 4.0
"""On the 16-bit scale; what is less is left alone."""
HALVES = np.repeat(np.eye(2, dtype=np.float32), BLOCK_SAMPLES // 2, axis=0) * np.float32(2.0 / BLOCK_SAMPLES)
"""Multiplied with a block: the means of its two halves."""
RAMP = np.arange(1, BLOCK_SAMPLES + 1, dtype=np.float32) / np.float32(BLOCK_SAMPLES)
DATA_OVER_ENERGY = np.float32(BLOCK_SAMPLES * rms_from_dbm0(-36.0) ** 2)
DATA_OVER_TICKS = 13
"""A data call is over after 250 ms under this level in both directions (G.168 §7, G.165)."""


class EchoCanceller:
    """Cancels, per port, the echo of `far` (what we send) in `near` (what we receive).

    taps: length of the longest echo path in samples (256 = 32 ms, 512 = 64 ms).
    The learned path stays when a port falls silent, so that the next call on the same line
    starts converged; `reset` forgets it.
    """

    def __init__(self, ports: int, taps: int = 256) -> None:
        if not 32 <= taps <= 1024:
            raise ValueError(f"taps must be 32 to 1024 samples, not {taps}")
        self.ports, self.taps = ports, taps
        self._fft = _fft_size(taps + BLOCK_SAMPLES)
        bins = self._fft // 2 + 1
        turn = np.exp(-2j * np.pi * np.arange(bins) / self._fft)
        self._whitener = (1.0 - PRE_WHITENING * turn).astype(np.complex64)
        self._whitened = np.square(np.abs(self._whitener))
        self._far = np.zeros((ports, self._fft + HISTORY_BLOCKS * BLOCK_SAMPLES + 1), np.float32)
        self._end = self._fft + 1
        self._far_energy = np.zeros((self._fft // BLOCK_SAMPLES + 1, ports), np.float32)
        self._far_total = np.zeros(ports, np.float32)
        self._audible_energy = len(self._far_energy) * FAR_SILENT_ENERGY
        self._last_residual = np.zeros((ports, 1), np.float32)
        self._filter = np.zeros((ports, bins), np.complex64)
        self._power = np.zeros((ports, bins), np.float32)  # spectrum of R
        self._gradient = np.zeros((ports, self._fft), np.float32)  # q, and zeros
        self._direction = np.zeros((ports, self._fft), np.float32)
        self._descent = np.full((ports, 1), np.inf, np.float32)
        # Energies of this block, and means of two of them.
        energies = np.zeros((4, ports), np.float32)
        self._far_now, self._near_now, self._residual_now, self._estimate_now = energies
        self._heard_now, self._compared_now = energies[:2], energies[1:3]
        self._means = np.zeros((2, ports), np.float32)
        self._mean_near, self._mean_residual = self._means
        self._last_echo = np.zeros(ports, np.float32)
        # Of the echo, in the near signal; loud blocks count as soft ones.
        self._found = np.ones(ports, np.float32)
        self._expected = np.ones(ports, np.float32)
        self._chance = np.zeros(ports, np.float32)  # power of what the near end may add to found by chance
        self._unfaithful = np.zeros(ports, np.float32)
        self._useless = np.zeros(ports, np.int32)  # ticks for which the filter has made things worse
        self._narrow = np.zeros(ports, np.int32)  # looks in a row at which the far signal was a tone
        self._learned = np.zeros(ports, bool)
        self._rest = ResidualSuppressor(ports)
        self._all = np.arange(ports)
        # Something was sent of late that may come back, and did not come from there.
        self._teaching = np.zeros(ports, bool)
        self._doubted = False  # some filter has made things worse
        self._suspected = False  # some `_unfaithful` is not 0
        self._enabled = np.ones(ports, bool)
        self._waited = np.zeros(ports, np.float32)  # ticks since a port last learned
        self._unsolved = np.zeros(ports, np.float32)  # blocks learned since the filter last moved
        self._tick = 0
        self._data_quiet = np.zeros(ports, np.int32)  # ticks to go until a data call is over
        self._data_calls = False  # some is not 0
        self._offset = np.zeros(ports, np.float32)  # direct current in the near signal
        self._offset_step = np.ones(ports, np.float32)
        self._was_live = np.zeros(ports, np.bool_)
        self._live_bytes = b""
        self._offset_young = True  # some port's is not known for long
        self._halves = np.zeros((ports, 2), np.float32)  # means of the blocks since the last look, summed up
        self._halves_blocks = 0
        self._taken = np.zeros(ports, np.float32)  # what of it was taken out of the last sample
        self._takes = np.zeros(0, np.intp)  # where it is not 0
        self._spectrum = np.empty((ports, bins), np.complex64)
        self._product = np.empty((ports, bins), np.complex64)
        self._product_parts = self._product.view(np.float32)  # real and imaginary ones
        self._wave = np.empty((ports, self._fft), np.float32)

    def reset(self, ports: Rows | list[int]) -> None:
        """Forget everything learned on these ports, and cancel on them."""
        for state in (
            self._far,
            self._last_residual,
            self._filter,
            self._power,
            self._gradient,
            self._direction,
            self._last_echo,
            self._useless,
            self._unfaithful,
            self._chance,
            self._learned,
            self._narrow,
            self._waited,
            self._unsolved,
            self._data_quiet,
            self._offset,
            self._taken,
        ):
            state[ports] = 0
        self._offset_step[ports] = 1
        self._live_bytes = b""  # the next block is looked at alone
        self._far_energy[:, ports] = 0
        self._means[:, ports] = 0
        self._descent[ports] = np.inf
        self._found[ports] = self._expected[ports] = 1
        self._rest.reset(ports)
        self._enabled[ports] = True

    def enable(self, port: int, on: bool) -> None:
        """Switch a port's canceller; what it has learned stays."""
        self._enabled[port] = on
        self._data_quiet[port] = 0

    def disable_for_data(self, port: int) -> None:
        """A modem or fax was heard (2100 Hz with phase reversals): leave the port alone until it is quiet.

        G.168 §7: cancelling starts again when both directions have been under -36 dBm0 for 250 ms.
        """
        self._data_quiet[port] = DATA_OVER_TICKS
        self._data_calls = True

    def cancelling(self, port: int) -> bool:
        """Whether this port's echo is being cancelled: switched on, and no data call."""
        return bool(self._enabled[port] and not self._data_quiet[port])

    def path(self, port: int) -> Float:
        """The learned echo path of a port, float32 [taps]."""
        return np.fft.irfft(self._filter[port], self._fft)[: self.taps].astype(np.float32)

    def process(
        self,
        far: Float,
        near: Float,
        active: NDArray[np.bool_] | None = None,
        teaches: NDArray[np.bool_] | None = None,
    ) -> Float:
        """Return `near` without the echo of `far`, and without a direct current beside it.

        far, near: [ports, 160] on the 16-bit scale, far being what was sent in the same tick.
        active: ports to work on; the others pass unchanged and learn nothing.
        teaches: ports whose far signal is somebody's own voice (all, when left out). What is sent to the
        others is what came back of their near end elsewhere: it is cancelled as far as the path is known,
        and taken for nothing else.
        Samples that are not finite count as 0; what is beyond the 16-bit range is clipped.
        """
        if far.shape != (self.ports, BLOCK_SAMPLES) or near.shape != far.shape:
            raise ValueError(
                f"blocks must be [{self.ports}, {BLOCK_SAMPLES}], not {far.shape} and {near.shape}"
            )
        far_energy, near_energy = self._far_now, self._near_now
        residual_energy, estimate_energy = self._residual_now, self._estimate_now
        far, near = self._sane(far, near)
        self._tick += 1
        self._append(far, far_energy)
        live = self._enabled if active is None else self._enabled & active
        if self._data_calls:
            self._follow_data_calls(far_energy, near_energy)
            live = live & (self._data_quiet == 0)
        near = self._without_offset(near, near_energy, live)
        audible = self._far_total > self._audible_energy
        audible &= live
        self._teaching = audible if teaches is None else audible & teaches
        # What follows is reckoned for all ports, which costs less than to pick some; on the quiet ones it has
        # no effect.
        left_alone = ~audible
        quiet = _places(left_alone)
        if quiet.size:
            self._rest.pass_unchanged(quiet, near_energy)
        if quiet.size == self.ports:
            self._last_echo[:] = 0
            self._unfaithful[:] = 0
            return near
        spectrum, lanes, echo = self._estimate(audible, self.ports - quiet.size)
        residual = near - echo
        np.vecdot(residual, residual, out=residual_energy)
        np.vecdot(echo, echo, out=estimate_energy)
        # An echo that has just ended still rings in the hybrid.
        echo_energy = self._last_echo
        echo_energy *= RINGING
        np.maximum(echo_energy, estimate_energy, out=echo_energy)
        ratio_db = residual_energy + LEAST_ENERGY
        ratio_db /= echo_energy + LEAST_ENERGY
        np.log10(ratio_db, out=ratio_db)
        ratio_db *= 10
        echo_energy[quiet] = 0
        if self._tick % NARROW_EVERY == 0:
            narrow = self._is_narrow(spectrum)[lanes]
            np.copyto(self._narrow, (self._narrow + 1) * narrow, where=audible)
        teaching = self._teaching
        self._learn(lanes, spectrum, residual, ratio_db, sparing=teaches is not None)
        # A filter that makes things worse (the line was switched) is left out until it has learned again:
        # on the mean of 0.2 s, or at once where it is much worse or has learned little yet. In double-talk a
        # single block may well grow a little louder.
        means = self._means
        means += MEAN_STEP * teaching * (self._compared_now - means)
        mean_near, mean_residual = self._mean_near, self._mean_residual
        useless = mean_residual > WORSE * mean_near
        left_alone |= useless
        left_alone |= residual_energy > WORSE_AT_ONCE * near_energy
        # Somebody who speaks for long drives the usual residual up: what was learned once, counts as learned.
        learned, leak_db = self._learned, self._rest.leak_db
        if np.count_nonzero(teaching > learned):
            learned |= leak_db < LEARNED_LEAK_DB
            # A filter that has not learned and hardly helps is more likely made of what the near end says.
            helpless = mean_residual > HELPLESS * mean_near
            helpless |= residual_energy > near_energy
            left_alone |= helpless > learned
        rows = _places(left_alone)
        if rows.size:
            residual[rows] = near[rows]
            ratio_db[rows] = 0
            ratio_db[quiet] = leak_db[quiet]
        # Near-end speech that happens to be like the echo does this for a moment, another path for long.
        useless &= teaching
        if self._doubted or np.count_nonzero(useless):
            self._count_useless(useless)
        if self._tick % NARROW_EVERY:
            self._doubt(near_energy, estimate_energy, residual_energy)
        if teaches is not None:
            # Whoever is sent his own voice is speaking.
            returned = _places(audible > teaching)
            if returned.size:
                ratio_db[returned] = leak_db[returned]
                self._rest.speaking(returned, residual_energy)
                rows = _places(left_alone | (audible > teaching))
        return self._rest.process(residual, ratio_db, rows, self._narrow)

    def _sane(self, far: Float, near: Float) -> tuple[Float, Float]:
        """The blocks as float32 without what cannot be sound; their energies are noted."""
        far, near = far.astype(np.float32, copy=False), near.astype(np.float32, copy=False)
        with np.errstate(over="ignore", invalid="ignore"):
            np.vecdot(far, far, out=self._far_now)
            np.vecdot(near, near, out=self._near_now)
            usual = self._heard_now <= LOUDEST_ENERGY  # which what is not a number is not either
        if np.count_nonzero(usual) < usual.size:
            far, near = (
                np.clip(np.nan_to_num(x, nan=0.0, posinf=0.0, neginf=0.0), -32768.0, 32767.0)
                for x in (far, near)
            )
            np.vecdot(far, far, out=self._far_now)
            np.vecdot(near, near, out=self._near_now)
        return far, near

    def _without_offset(self, near: Float, near_energy: Float, live: NDArray[np.bool_]) -> Float:
        """The near signals of `live` ports without their direct current; `near_energy` follows."""
        halves = near @ HALVES
        self._halves += halves
        self._halves_blocks += 1
        now = live.tobytes()  # compared more cheaply than the arrays
        changed = now != self._live_bytes
        if changed:
            self._live_bytes = now
            self._halves, self._halves_blocks = halves, 1  # what was before is of another current
        if changed or self._offset_young or self._halves_blocks >= OFFSET_EVERY:
            rows, before = self._look_at_offset(live)
        elif self._takes.size:
            rows = self._takes
            before = self._taken[rows, None]
        else:
            return near
        if rows.size:
            near = near.copy()
            near[rows] -= before + (self._taken[rows, None] - before) * RAMP
            kept = near[rows]
            near_energy[rows] = np.vecdot(kept, kept)
        return near

    def _look_at_offset(self, live: NDArray[np.bool_]) -> tuple[Rows, Float]:
        """Follow the direct current: where it is taken out, or was, and how much before, [rows, 1]."""
        offset, step, last = self._offset, self._offset_step, self._taken
        blocks = self._halves_blocks
        halves = self._halves / np.float32(blocks)
        self._halves[:] = 0
        self._halves_blocks = 0
        # Off the hook a line has another current than on it.
        np.copyto(step, np.float32(1.0), where=live & ~self._was_live)
        self._was_live = live
        mean = 0.5 * (halves[:, 0] + halves[:, 1])
        fresh = step == 1
        # The click of going off the hook fades within a block, a direct current does not.
        seen = ~fresh | (np.abs(halves[:, 0] - halves[:, 1]) <= 0.25 * np.abs(mean) + LEAST_OFFSET)
        fresh &= seen
        share = np.minimum(step * blocks, 1)
        np.copyto(offset, offset + share * (mean - offset), where=seen)
        np.copyto(step, np.maximum(step / (1 + step), OFFSET_STEP), where=seen)
        self._offset_young = bool((step[live] > OFFSET_STEP).any())
        loud = np.abs(offset) > LEAST_OFFSET
        loud &= live
        rows = _places(loud | (last != 0))
        self._taken = taken = np.where(loud, offset, np.float32(0.0))
        self._takes = _places(loud)
        # What was there from the first sample on is taken out at once, what comes later without a click.
        before: Float = np.where(fresh, taken, last * live)[rows, None]
        return rows, before

    def _count_useless(self, useless: NDArray[np.bool_]) -> None:
        """Learn paths anew whose filter has made things worse for long."""
        counts = np.maximum(self._useless + np.where(useless, 1, -1), 0)
        np.copyto(self._useless, counts, where=self._teaching)
        changed = self._useless >= np.where(self._learned, CHANGED_TICKS, LOST_TICKS)
        changed &= self._teaching
        if changed.any():
            self._start_again(_places(changed))
        self._doubted = bool(self._useless.any())

    def _estimate(self, audible: NDArray[np.bool_], count: int) -> tuple[Spectra, Rows, Float]:
        """What comes back of the newest block at every port.

        Before it: spectra of far-end histories, and where in them that of each port is. Those of ports that
        are not `audible` (all but `count`) may be anything, and nothing comes back there or very little.
        """
        history = self._far[:, self._end - self._fft : self._end]
        if count >= MOSTLY * self.ports:
            # Nearly all: what the others cost is less than picking the rows.
            spectrum, product, wave = self._spectrum, self._product, self._wave
            forward(history, spectrum)
            np.multiply(spectrum, self._filter, out=product)
            backward(product, self._fft, wave)
            return spectrum, self._all, wave[:, -BLOCK_SAMPLES:]
        rows = _places(audible)
        spectrum, product = self._spectrum[:count], self._product[:count]
        forward(history[rows], spectrum)
        np.multiply(spectrum, self._filter[rows], out=product)
        wave = backward(product, self._fft, self._wave[:count])
        lanes = np.zeros(self.ports, np.intp)
        lanes[rows] = np.arange(count)
        echo = np.zeros((self.ports, BLOCK_SAMPLES), np.float32)
        echo[rows] = wave[:, -BLOCK_SAMPLES:]
        return spectrum, lanes, echo

    def _append(self, far: Float, energy: Float) -> None:
        """Take the new block into the far-end history."""
        kept = self._fft + 1
        if self._end + BLOCK_SAMPLES > self._far.shape[1]:
            self._far[:, :kept] = self._far[:, self._end - kept : self._end].copy()
            self._end = kept
        self._far[:, self._end : self._end + BLOCK_SAMPLES] = far
        self._end += BLOCK_SAMPLES
        self._far_energy[self._tick % len(self._far_energy)] = energy
        np.add.reduce(self._far_energy, out=self._far_total)

    def _learn(self, lanes: Rows, spectrum: Spectra, residual: Float, ratio_db: Float, sparing: bool) -> None:
        """Add this block's normal equations for the ports whose turn it is, and solve a little.

        lanes: where in `spectrum` each port is. sparing: both ends may speak for long (conversations).
        """
        teaching = self._teaching
        speaking = int(np.count_nonzero(teaching))
        if not speaking:
            return
        waited = self._waited
        waited += teaching
        leak_db: Float = np.where(teaching, self._rest.leak_db, NOWHERE_DB)
        if sparing:
            # While somebody speaks at the near end too there is little new to learn, and much to pay.
            np.minimum(leak_db, SPOKEN_OVER_DB, out=leak_db, where=self._learned & self._rest.spoken_over)
        unconverged = int(np.count_nonzero(leak_db > CONVERGED_LEAK_DB))
        turn = leak_db > self._turn_db(LEARNING_TURN, unconverged, speaking)
        if np.count_nonzero(turn):
            # A sound that leaves more than usual, but less than a near-end talker would, is a new one.
            novel = (ratio_db > self._rest.leak_db + NOVELTY_DB) & (ratio_db < NOT_NOVEL_DB)
            turn &= novel | (leak_db > CONVERGED_LEAK_DB) | (waited >= CONVERGED_EVERY)
            most = min(max(unconverged, REFRESHING_PORTS), SPARING_PORTS if sparing else LEARNING_PORTS)
            learning = _most_urgent(turn, waited * (leak_db + 40.0), most)
            if learning.size:
                waited[learning] = 0
                self._unsolved[learning] += 1
                talked = self._learned & (ratio_db > NOT_NOVEL_DB)
                self._add_equations(
                    learning, spectrum[lanes[learning]], residual[learning], novel[learning], talked[learning]
                )
        turn = leak_db > self._turn_db(SOLVING_TURN, unconverged, speaking)
        if np.count_nonzero(turn):
            unsolved = self._unsolved
            turn &= unsolved > 0
            most = min(max(unconverged, SHARPENING_PORTS), SPARING_PORTS if sparing else SOLVING_PORTS)
            due = _most_urgent(turn, unsolved * (leak_db + 40.0), most)
            if due.size:
                self._unsolved[due] = 0
                self._solve(due, STEPS if unconverged >= FEW * speaking else SHARPENING_STEPS)

    def _turn_db(self, turn: int, unconverged: int, speaking: int) -> np.float32 | Float:
        """Only ports with more residual than this are looked at now: few, large calls cost least."""
        if self._tick % (2 * turn) == 2 * turn - 1:
            return NOWHERE_DB
        if self._tick % turn == turn - 1 and unconverged >= FEW * speaking:
            return CONVERGED_LEAK_DB
        return FAR_OFF_LEAK_DB

    def _is_narrow(self, spectrum: Spectra) -> NDArray[np.bool_]:
        """Whether the far signal is one or two tones, which teach the path at their frequencies alone."""
        count = len(spectrum)
        white, parts = self._product[:count], self._product_parts[:count]
        np.multiply(spectrum, self._whitener, out=white)
        total = np.vecdot(parts, parts)
        np.square(white, out=white)  # of which the magnitudes are powers
        # The number of bins over which the power is spread.
        total *= total
        narrow: NDArray[np.bool_] = total < NARROW_BINS * np.vecdot(parts, parts)
        return narrow

    def _add_equations(
        self,
        rows: Rows,
        spectrum: Spectra,
        residual: Float,
        novel: NDArray[np.bool_],
        talked: NDArray[np.bool_],
    ) -> None:
        """R and q of `rows` grow by one block; `spectrum` is that of their far-end histories.

        novel: of these, where the block holds a sound not met before; talked: where the near end is loud.
        """
        n, fft, taps = BLOCK_SAMPLES, self._fft, self.taps
        padded = np.zeros((rows.size, fft), np.float32)
        white = padded[:, :n]
        np.multiply(residual[:, :-1], -PRE_WHITENING, out=white[:, 1:])
        white[:, 0] = -PRE_WHITENING * self._last_residual[rows, 0]
        white += residual
        self._last_residual[rows] = residual[:, -1:]
        newest = self._far_energy[self._tick % len(self._far_energy)][rows]
        # At the beginning of a word the echo of a long path has yet to come: the block is loud at the far end
        # and quiet here, and would count for more than all that have brought the echo.
        due = newest * np.exp((self._rest.leak_db[rows] + UNSEEN_DB) * LOG_OF_DB)
        weight = (np.maximum(np.vecdot(white, white), due) / BLOCK_SAMPLES + WEIGHT_FLOOR) ** WEIGHT_POWER
        weight[novel] *= NOVEL_WEIGHT
        narrow = self._narrow[rows]
        if narrow.any():
            weight[narrow > 0] *= VOWEL_WEIGHT
            weight[narrow >= NARROW_TIMES] = NARROW_WEIGHT
        # Whitening the spectrum of the far history is right for all but its first sample, which no lag below
        # `taps` reaches.
        far = spectrum * self._whitener
        power = np.square(far.real) + np.square(far.imag)
        # The block stands at the start of the transform, in the history it is its end: lags begin at n.
        product = forward(padded)
        # A tone of the near end (busy tone) that comes back to the far end by another hybrid would seem to be
        # an echo of itself.
        if talked.any():
            weight[talked & (narrow == 0) & _is_tonal(product)] = 0
        # R is that of the block, or of the whole history where that is louder: what is in the residual may be
        # the echo of either.
        share = newest / (self._far_total[rows] + np.float32(1e-9))
        power *= (weight * np.maximum(share, np.float32(n / fft)))[:, None]
        power += FORGETTING * self._power[rows]
        self._power[rows] = power
        product *= np.conj(far, out=far)
        gradient = backward(product, fft)[:, n : n + taps]
        gradient *= weight[:, None]
        gradient += FORGETTING * self._gradient[rows, :taps]
        self._gradient[rows, :taps] = gradient

    def _solve(self, rows: Rows, steps: int) -> None:
        """Conjugate-direction steps towards the filter that the equations ask for."""
        fft, taps = self._fft, self.taps
        power, gradient = self._power[rows], self._gradient[rows]
        # The floor is relative to a mean in which a single tone counts for little.
        floor = PRECONDITIONER_FLOOR * np.square(np.sqrt(power).mean(1, keepdims=True))
        inverse = 1.0 / (power + floor + np.float32(1e-9))
        direction, descent = self._direction[rows], self._descent[rows]
        change = np.zeros(power.shape, np.complex64)
        for _ in range(steps):
            spectrum = forward(gradient)
            spectrum *= inverse
            steepest = backward(spectrum, fft)
            steepest[:, taps:] = 0
            slope = np.vecdot(gradient, steepest)[:, None]
            direction *= np.minimum(np.maximum(slope / descent, 0), DIRECTION_MEMORY)
            direction += steepest
            descent = slope + np.float32(1e-20)
            spectrum = forward(direction)
            image = backward(spectrum * power, fft)
            image[:, taps:] = 0
            curvature = np.vecdot(direction, image)[:, None]
            along = np.vecdot(direction, gradient)[:, None]
            step = np.minimum(np.maximum(along / np.maximum(curvature, np.float32(1e-9)), 0), 2)
            step[curvature <= 1e-9] = 0
            spectrum *= step
            change += spectrum
            image *= step
            gradient -= image
        self._filter[rows] += change
        self._gradient[rows] = gradient
        self._direction[rows], self._descent[rows] = direction, descent

    def _doubt(self, near_energy: Float, estimate_energy: Float, residual_energy: Float) -> None:
        """Tell a path that has become another from a near end that speaks, and learn it as a new one.

        The estimated echo is found in the near signal once, whoever speaks besides. On a path that
        is like the old one, but is another, it is found less (or more), and little is taken away.
        A near end much louder than the echo is a little like it by chance, the more the louder it is.
        """
        # <near, estimate> follows from the three energies.
        together = near_energy + estimate_energy
        together -= residual_energy
        loud = estimate_energy > FAR_SILENT_ENERGY
        loud &= self._teaching
        step = FAITH_STEP * loud
        per = step / (near_energy + FAITH_ENERGY)
        heard = estimate_energy * per
        keep = 1 - step
        found, expected, chance = self._found, self._expected, self._chance
        found *= keep
        together *= per
        together *= 0.5
        found += together
        expected *= keep
        expected += heard
        keep *= keep
        chance *= keep
        per *= near_energy
        heard *= per
        chance += heard
        off = np.abs(found - expected)
        doubtful = off > UNFAITHFUL * expected
        doubtful &= loud
        doubtful &= self._learned
        doubtful &= self._mean_residual > LITTLE_GAIN * self._mean_near
        some = np.count_nonzero(doubtful)
        if not (some or self._suspected):
            return
        unfaithful = self._unfaithful
        if some:
            odds = np.minimum(np.square(off) / (CHANCE * chance + np.float32(1e-12)), 1)
            more = np.where(doubtful, unfaithful + np.square(odds), 0)
            np.copyto(unfaithful, more, where=loud)
        else:
            unfaithful[loud] = 0
        unfaithful *= self._teaching
        suspect = unfaithful >= UNFAITHFUL_LOOKS
        if suspect.any():
            self._start_again(_places(suspect))
        self._suspected = bool(unfaithful.any())

    def _start_again(self, rows: Rows) -> None:
        """The path is another one now: what was learned of it only delays learning the new one."""
        for state in (self._filter, self._power, self._gradient, self._direction):
            state[rows] = 0
        self._descent[rows] = np.inf
        self._useless[rows] = 0
        self._unfaithful[rows] = 0
        self._found[rows] = self._expected[rows]
        self._learned[rows] = False
        self._rest.leak_db[rows] = 0
        self._mean_residual[rows] = self._mean_near[rows]

    def _follow_data_calls(self, far_energy: Float, near_energy: Float) -> None:
        """Count the quiet ticks of ports that carry data."""
        loud = np.maximum(far_energy, near_energy) > DATA_OVER_ENERGY
        left = np.where(loud, DATA_OVER_TICKS, self._data_quiet - 1)
        self._data_quiet = np.where(self._data_quiet > 0, left, 0).astype(np.int32)
        self._data_calls = bool(self._data_quiet.any())


def _fft_size(least: int) -> int:
    """The shortest even product of twos and threes that holds so many samples."""
    sizes = [(1 << twos) * factor for twos in range(1, 12) for factor in (1, 3, 9, 27, 81)]
    return min(size for size in sizes if size >= least)


def _is_tonal(spectrum: Spectra) -> NDArray[np.bool_]:
    """Whether a whitened block of the near end is one or two tones."""
    power = np.square(spectrum.real)
    power += np.square(spectrum.imag)
    tonal: NDArray[np.bool_] = np.square(power.sum(1)) < TONAL_BINS * np.vecdot(power, power)
    return tonal


def _places(wanted: NDArray[np.bool_]) -> Rows:
    """Where something is wanted (np.flatnonzero, of which half is overhead)."""
    return wanted.nonzero()[0]


def _most_urgent(wanted: NDArray[np.bool_], urgency: Float, count: int) -> Rows:
    """Where something is wanted; of more than `count` places the most urgent ones."""
    places = _places(wanted)
    if places.size > count:
        places = places[urgency[places].argpartition(-count)[-count:]]
    return places
