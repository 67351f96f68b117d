"""Line echo cancellation over all ports at once, in the frequency domain.

Method. The echo path of each port is one filter of `taps` samples, applied by
overlap-save. It is found by recursive least squares, not by gradient steps:
every block adds its normal equations to a running sum,

    R += w · (autocorrelation of the far signal)
    q += w · (correlation of far signal and residual)

and conjugate-direction steps walk the filter towards R⁻¹q. R is Toeplitz, kept as
its first row, so a product with it is a multiplication between two FFTs. Both signals are
pre-whitened for the equations, since speech falls by 40 dB over the band.

Double-talk needs no detector: a block counts with the weight w = power of its
residual to −0.7, so that loud near-end speech writes almost nothing into the
equations, while in single talk, where the residual is small, all is learned.

What the linear filter leaves is turned down by a broadband gain that follows
the ratio of expected to actual residual: it closes when only echo is there
and is open as soon as somebody speaks. The line's own noise is put in its place.

Sources: Haykin, Adaptive Filter Theory (least squares, Toeplitz systems); Chan and
Ng on the preconditioned conjugate gradient method; ITU-T G.168 for what is measured.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dsp.levels import rms_from_dbm0

Float = NDArray[np.float32]

BLOCK_SAMPLES = 160
PRE_WHITENING = np.float32(0.9)
FORGETTING = 0.995
"""Per block that is learned from: a memory of about 4 s of talking, 16 s once converged."""
WEIGHT_POWER = 0.7
PRECONDITIONER_FLOOR = 0.03
DIRECTION_MEMORY = 0.7
CONVERGED_LEAK = 10 ** (-30 / 10)
"""Residual-to-echo power below which a port learns from every fourth block only, to save time."""
STEPS = 2
FAR_SILENT_RMS = rms_from_dbm0(-50.0)
"""Below this the far signal teaches nothing and makes no audible echo."""
SUPPRESSION_FLOOR = 10 ** (-18 / 20)
MEAN_POWER_STEP = 0.04
NOISE_FLOOR_RISE = 1.005
"""Per block: the noise estimate climbs 2 dB a second when the line gets noisier."""


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
        self._fft = 1 << (2 * taps - 1).bit_length() if 2 * taps > 416 else 512
        bins = self._fft // 2 + 1
        self._far = np.zeros((ports, self._fft), np.float32)
        self._white = np.zeros((ports, self._fft), np.float32)
        self._last_residual = np.zeros((ports, 1), np.float32)
        self._filter = np.zeros((ports, bins), np.complex64)
        self._correlation = np.zeros((ports, taps), np.float32)  # first row of R
        self._gradient = np.zeros((ports, taps), np.float32)  # q
        self._direction = np.zeros((ports, taps), np.float32)
        self._descent = np.full((ports, 1), np.inf, np.float32)
        self._mean_near = np.zeros((ports, 1), np.float32)
        self._mean_residual = np.zeros((ports, 1), np.float32)
        self._leak = np.ones((ports, 1), np.float32)
        self._gain = np.ones((ports, 1), np.float32)
        self._noise_power = np.full((ports, 1), rms_from_dbm0(-60.0) ** 2, np.float32)
        self._enabled = np.ones(ports, bool)
        self._tick = 0
        self._phase = np.arange(ports)
        self._random = np.random.default_rng(1)
        self._ramp = np.minimum(np.arange(1, BLOCK_SAMPLES + 1, dtype=np.float32) / 40, 1)

    def reset(self, ports: NDArray[np.intp] | list[int]) -> None:
        """Forget everything learned on these ports."""
        for state in (
            self._far,
            self._white,
            self._last_residual,
            self._filter,
            self._correlation,
            self._gradient,
            self._direction,
            self._mean_near,
            self._mean_residual,
        ):
            state[ports] = 0
        self._descent[ports] = np.inf
        self._leak[ports] = 1
        self._gain[ports] = 1
        self._noise_power[ports] = rms_from_dbm0(-60.0) ** 2

    def enable(self, port: int, on: bool) -> None:
        """Switch a port's canceller, e.g. off for fax after 2100 Hz with phase reversals (G.168 §7)."""
        self._enabled[port] = on

    def path(self, port: int) -> Float:
        """The learned echo path of a port, float32 [taps]."""
        return np.fft.irfft(self._filter[port], self._fft)[: self.taps].astype(np.float32)

    def process(self, far: Float, near: Float, active: NDArray[np.bool_] | None = None) -> Float:
        """Return `near` without the echo of `far`.

        far, near: [ports, 160] on the 16-bit scale, far being what was sent in the same tick.
        active: ports to work on; the others pass unchanged and learn nothing.
        """
        if far.shape != (self.ports, BLOCK_SAMPLES) or near.shape != far.shape:
            raise ValueError(
                f"blocks must be [{self.ports}, {BLOCK_SAMPLES}], not {far.shape} and {near.shape}"
            )
        far = np.nan_to_num(far.astype(np.float32, copy=False), nan=0.0, posinf=32767, neginf=-32768)
        near = np.nan_to_num(near.astype(np.float32, copy=False), nan=0.0, posinf=32767, neginf=-32768)
        self._shift(far)
        audible = np.einsum("ij,ij->i", self._far, self._far) > self._fft * FAR_SILENT_RMS**2
        audible &= self._enabled
        if active is not None:
            audible &= active
        self._tick += 1
        rows = np.flatnonzero(audible)
        quiet = np.flatnonzero(~audible)
        self._track_noise(quiet, near)
        self._gain[quiet] = 1
        if rows.size == 0:
            return near
        out = near.copy()
        echo = np.fft.irfft(np.fft.rfft(self._far[rows]) * self._filter[rows], self._fft)[:, -BLOCK_SAMPLES:]
        residual = near[rows] - echo
        near_power = np.einsum("ij,ij->i", near[rows], near[rows])[:, None] / BLOCK_SAMPLES
        residual_power = np.einsum("ij,ij->i", residual, residual)[:, None] / BLOCK_SAMPLES
        echo_power = np.einsum("ij,ij->i", echo, echo)[:, None] / BLOCK_SAMPLES
        # Ports take turns, so that every tick costs the same.
        turn = (self._phase[rows] + self._tick) % 4
        learning = (self._leak[rows, 0] > CONVERGED_LEAK) | (turn == 0)
        self._learn(rows[learning], residual[learning], turn[learning] % 2 == 0)
        # A filter that makes things worse (the line was switched) is left out until it has learned
        # again. Judged over half a second: in double-talk a single block may well grow louder.
        for mean, power in ((self._mean_near, near_power), (self._mean_residual, residual_power)):
            mean[rows] += MEAN_POWER_STEP * (power - mean[rows])
        worse = self._mean_residual[rows] > 1.2 * self._mean_near[rows]
        cleaned = np.where(worse, near[rows], residual)
        out[rows] = self._suppress(rows, cleaned, np.where(worse, near_power, residual_power), echo_power)
        return out

    def _shift(self, far: Float) -> None:
        """Move the new block into the far-end histories, plain and whitened."""
        n = BLOCK_SAMPLES
        white = far.copy()
        white[:, 1:] -= PRE_WHITENING * far[:, :-1]
        white[:, 0] -= PRE_WHITENING * self._far[:, -1]
        for history, block in ((self._far, far), (self._white, white)):
            history[:, :-n] = history[:, n:]
            history[:, -n:] = block

    def _learn(self, rows: NDArray[np.intp], residual: Float, due: NDArray[np.bool_]) -> None:
        """Add this block's normal equations; where it is `due`, also solve a little."""
        if rows.size == 0:
            return
        n, fft, taps = BLOCK_SAMPLES, self._fft, self.taps
        blocks = np.zeros((2, rows.size, fft), np.float32)
        blocks[0, :, -n:] = self._white[rows, -n:]
        white = blocks[1, :, -n:]
        white[:] = residual
        white[:, 1:] -= PRE_WHITENING * residual[:, :-1]
        white[:, 0] -= PRE_WHITENING * self._last_residual[rows, 0]
        self._last_residual[rows] = residual[:, -1:]
        weight = (np.einsum("ij,ij->i", white, white)[:, None] / n + 50.0) ** -WEIGHT_POWER
        # Both correlations, with the far history, in one pass through the FFT.
        spectra = np.fft.rfft(blocks)
        spectra *= np.conj(np.fft.rfft(self._white[rows]))
        lags = np.fft.irfft(spectra, fft)[:, :, :taps]
        lags *= weight
        lags[0] += FORGETTING * self._correlation[rows]
        lags[1] += FORGETTING * self._gradient[rows]
        self._correlation[rows], self._gradient[rows] = lags
        if due.any():
            self._solve(rows[due], lags[0][due], lags[1][due])

    def _solve(self, rows: NDArray[np.intp], correlation: Float, gradient: Float) -> None:
        """Conjugate-direction steps towards the filter that the equations ask for."""
        fft, taps = self._fft, self.taps
        symmetric = np.zeros((rows.size, fft), np.float32)
        symmetric[:, :taps] = correlation
        symmetric[:, 1 - taps :] = correlation[:, :0:-1]
        power = np.maximum(np.fft.rfft(symmetric).real, 0)
        inverse = 1.0 / (power + PRECONDITIONER_FLOOR * power.mean(1, keepdims=True) + 1e-9)
        direction, descent = self._direction[rows], self._descent[rows]
        change = np.zeros(power.shape, np.complex64)
        for _ in range(STEPS):
            steepest = np.fft.irfft(np.fft.rfft(gradient, fft) * inverse, fft)[:, :taps]
            slope = np.einsum("ij,ij->i", gradient, steepest)[:, None]
            direction *= np.clip(slope / descent, 0, DIRECTION_MEMORY)
            direction += steepest
            descent = slope + 1e-20
            spectrum = np.fft.rfft(direction, fft)
            image = np.fft.irfft(spectrum * power, fft)[:, :taps]
            curvature = np.einsum("ij,ij->i", direction, image)[:, None]
            along = np.einsum("ij,ij->i", direction, gradient)[:, None]
            step = np.where(curvature > 1e-9, np.clip(along / (curvature + 1e-12), 0, 2), 0).astype(
                np.float32
            )
            change += step * spectrum
            gradient -= step * image
        self._filter[rows] += change
        self._gradient[rows] = gradient
        self._direction[rows], self._descent[rows] = direction, descent

    def _suppress(
        self, rows: NDArray[np.intp], residual: Float, residual_power: Float, echo_power: Float
    ) -> Float:
        """Turn down what is left of the echo where nothing else is there; fill with the line's own noise."""
        ratio = residual_power / (echo_power + 1.0)
        leak = self._leak[rows]
        # Down at once to the smallest ratio seen (single talk), up slowly (0.4 dB a block): double-talk
        # raises the ratio, but only for as long as somebody speaks without a pause.
        leak = np.where(ratio < leak, leak + 0.3 * (ratio - leak), np.minimum(leak * 1.02, 1.0))
        self._leak[rows] = leak
        noise_power = self._noise_power[rows]
        expected = 2.0 * leak * echo_power
        wanted = np.sqrt(np.clip(1.0 - expected / (residual_power + 1.0), SUPPRESSION_FLOOR**2, 1.0))
        gain = self._gain[rows]
        target = np.where(wanted > gain, wanted, 0.5 * (gain + wanted)).astype(np.float32)
        ramp = gain + (target - gain) * self._ramp
        self._gain[rows] = target
        comfort = np.sqrt(noise_power * np.clip(1.0 - target**2, 0, 1)) * self._random.standard_normal(
            residual.shape, dtype=np.float32
        )
        suppressed: Float = (residual * ramp + comfort).astype(np.float32)
        return suppressed

    def _track_noise(self, quiet: NDArray[np.intp], near: Float) -> None:
        """Follow the noise floor of lines on which we are not speaking: fast down, slowly up."""
        if quiet.size == 0:
            return
        power = np.einsum("ij,ij->i", near[quiet], near[quiet])[:, None] / BLOCK_SAMPLES
        floor = self._noise_power[quiet]
        floor = np.where(
            power < floor, floor + 0.2 * (power - floor), np.minimum(floor * NOISE_FLOOR_RISE, power)
        )
        self._noise_power[quiet] = np.clip(floor, 1e-2, rms_from_dbm0(-45.0) ** 2)
