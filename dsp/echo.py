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

Time is bounded: a port that is far from converged learns from every block and moves its filter
often, one that has converged learns from every eighth block, and sooner when a sound comes through
that its filter has not met.

What the linear filter leaves is turned down where nobody speaks, with the line's noise in its place: one
gain per port and tick.

All of that is done in C, four or eight ports at a time (`dsp/native/echo.c`, with all constants): in numpy
it took two to four times as much of the processor, most of it for calls on a few numbers each.

Sources: Haykin, Adaptive Filter Theory (least squares, Toeplitz systems); Chan and
Ng on the preconditioned conjugate gradient method; ITU-T G.168 for what is measured.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from dsp.native import address, library, memory

Float = NDArray[np.float32]

BLOCK_SAMPLES = 160
ALL = 0
"""The null pointer."""


class EchoCanceller:
    """Cancels, per port, the echo of `far` (what we send) in `near` (what we receive).

    taps: length of the longest echo path in samples (256 = 32 ms, 512 = 64 ms).
    suppress: turn down what the linear filter leaves; without, it is heard as it is.
    The learned path stays when a port falls silent, so that the next call on the same line
    starts converged; `reset` forgets it.
    """

    def __init__(self, ports: int, taps: int = 256, suppress: bool = True) -> None:
        if ports < 0:
            raise ValueError(f"there cannot be {ports} ports")
        if not 32 <= taps <= 1024:
            raise ValueError(f"taps must be 32 to 1024 samples, not {taps}")
        self.ports, self.taps = ports, taps
        self._c = library()
        hiss = np.random.default_rng(1).standard_normal(self._c.echo_hiss(ports), dtype=np.float32)
        self._hiss = hiss * np.float32(BLOCK_SAMPLES**-0.5)  # a block of it has an energy of 1
        self._memory = memory(self._c.echo_bytes(ports, taps))
        self._state = address(self._memory)
        self._c.echo_begin(self._state, ports, taps, address(self._hiss), bool(suppress))

    def reset(self, ports: Iterable[int]) -> None:
        """Forget everything learned on these ports, and cancel on them."""
        for port in ports:
            self._c.echo_forget(self._state, self._known(port))

    def enable(self, port: int, on: bool) -> None:
        """Switch a port's canceller; what it has learned stays."""
        self._c.echo_enable(self._state, self._known(port), bool(on))

    def disable_for_data(self, port: int) -> None:
        """A modem or fax was heard (2100 Hz with phase reversals): leave the port alone until it is quiet.

        G.168 §7: cancelling starts again when both directions have been under -36 dBm0 for 250 ms.
        """
        self._c.echo_data_call(self._state, self._known(port))

    def cancelling(self, port: int) -> bool:
        """Whether this port's echo is being cancelled: switched on, and no data call."""
        return bool(self._c.echo_cancelling(self._state, self._known(port)))

    def path(self, port: int) -> Float:
        """The learned echo path of a port, float32 [taps]."""
        spectrum = np.empty(self._c.echo_bins(self._state), np.complex64)
        self._c.echo_filter(self._state, self._known(port), address(spectrum))
        return np.fft.irfft(spectrum)[: self.taps].astype(np.float32)

    @property
    def transformed(self) -> int:
        """How many rows have been transformed so far: what the canceller costs."""
        return int(self._c.echo_transforms(self._state))

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
        far, near = _block(far), _block(near)
        after = np.empty_like(near)
        wanted = [self._marks(marks) for marks in (active, teaches)]
        places = [ALL if marks is None else address(marks) for marks in wanted]
        self._c.echo_block(self._state, address(far), address(near), *places, address(after))
        return after

    def _marks(self, marks: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
        if marks is None:
            return None
        if marks.shape != (self.ports,):
            raise ValueError(f"there are {self.ports} ports, not {marks.shape}")
        return np.ascontiguousarray(marks, np.bool_)

    def _known(self, port: int) -> int:
        if not 0 <= port < self.ports:
            raise IndexError(f"port {port} of {self.ports}")
        return port


def _block(x: NDArray[np.generic]) -> Float:
    """As C takes it."""
    if x.dtype == np.float32 and x.flags.c_contiguous and x.flags.aligned:
        return x.view(np.float32)
    with np.errstate(over="ignore"):  # what is too large becomes infinite, which C knows
        return np.require(x.astype(np.float32), np.float32, ["C", "A"])
