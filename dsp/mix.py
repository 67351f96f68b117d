"""Who hears whom: one gain matrix over all ports.

`gain[out, in]` says how loudly port `out` hears port `in`. A two-way call, a
conference of N (each hears the other N−1), a supervisor who listens, whispers
or barges: all are matrices. A new matrix is reached by a straight fade over
one block, so that a change is never heard as a click; what adds up to more
than 16 bits saturates, it never wraps around.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

LIMIT = 32767.0

Array = NDArray[np.float32]


def db(value: float) -> float:
    """Amplitude factor of a gain in dB."""
    return float(10.0 ** (value / 20.0))


def conference(ports: Sequence[int], size: int) -> Array:
    """Matrix `[size, size]` in which each of `ports` hears all the others and nobody hears himself."""
    matrix = np.zeros((size, size), np.float32)
    members = list(dict.fromkeys(ports))
    matrix[np.ix_(members, members)] = 1.0
    matrix[members, members] = 0.0
    return matrix


def listen(ear: int, ports: Iterable[int], size: int) -> Array:
    """Matrix in which `ear` hears `ports` and none of them hears `ear` (silent monitoring)."""
    matrix = np.zeros((size, size), np.float32)
    matrix[ear, list(ports)] = 1.0
    matrix[ear, ear] = 0.0
    return matrix


def whisper(coach: int, agent: int, customer: int, size: int) -> Array:
    """Agent and customer talk, the coach hears both, and only the agent hears the coach."""
    matrix = conference((agent, customer), size) + listen(coach, (agent, customer), size)
    matrix[agent, coach] = 1.0
    return matrix


class Mixer:
    """Mixes all ports of a block at once.

    `gain_in[p]` and `gain_out[p]` are each port's own amplitude factors, set per
    port; `matrix` is who hears whom. All three fade to a new setting over the
    first block after the change.
    """

    def __init__(self, ports: int) -> None:
        if ports < 1:
            raise ValueError(f"a mixer needs at least one port, not {ports}")
        self.ports = ports
        self.matrix: Array = np.zeros((ports, ports), np.float32)
        self.gain_in: Array = np.ones(ports, np.float32)
        self.gain_out: Array = np.ones(ports, np.float32)
        self._now: Array = np.zeros((ports, ports), np.float32)
        self._next: Array = np.zeros((ports, ports), np.float32)
        self._changed = False
        self._fade: Array = np.zeros(0, np.float32)
        self._take_part()

    def _take_part(self) -> None:
        """Who hears anybody, who is heard by anybody, and their part of the matrix in force."""
        self._ears, self._mouths = _concerned(self._now)
        self._part: Array = self._now[np.ix_(self._ears, self._mouths)]
        # In plain calls every ear hears one mouth: which, and how loudly.
        heard = self._part != 0.0
        self._plain = bool(len(heard) and (heard.sum(axis=1) == 1).all())
        if self._plain:
            self._mouth_of_ear = self._mouths[heard.argmax(axis=1)]
            self._gain_of_ear: Array = self._part.sum(axis=1, keepdims=True)
            self._as_it_is = bool((self._gain_of_ear == 1.0).all())

    def set_matrix(self, matrix: NDArray[np.floating]) -> None:
        """Who hears whom from the next block on: `[out, in]`, amplitude factors."""
        if matrix.shape != self.matrix.shape:
            raise ValueError(f"the matrix must be {self.matrix.shape}, not {matrix.shape}")
        if not np.isfinite(matrix).all():
            raise ValueError("the matrix holds a gain that is not a number")
        self.matrix[:] = matrix
        self._changed = True

    def set_pair(self, out: int, into: int, gain: float) -> None:
        """Port `out` hears port `into` at this amplitude factor."""
        if not np.isfinite(gain):
            raise ValueError("a gain must be a number")
        self.matrix[out, into] = gain
        self._changed = True

    def set_gains(
        self, ports: Sequence[int], gain_in: float | None = None, gain_out: float | None = None
    ) -> None:
        """Amplitude factors of these ports: what they bring in, what they are given."""
        index = list(ports)
        for gains, value in ((self.gain_in, gain_in), (self.gain_out, gain_out)):
            if value is None:
                continue
            if not np.isfinite(value):
                raise ValueError("a gain must be a number")
            gains[index] = value
        self._changed = True

    def reset(self, ports: Sequence[int]) -> None:
        """These ports hear nobody, nobody hears them, their gains are 1; at once, without a fade."""
        index = list(ports)
        for matrix in (self.matrix, self._now):
            matrix[index, :] = 0.0
            matrix[:, index] = 0.0
        self.gain_in[index] = 1.0
        self.gain_out[index] = 1.0
        self._take_part()

    def process(self, x: NDArray[np.generic], out: NDArray[np.generic] | None = None) -> NDArray[np.generic]:
        """Mix one block `[P, n]` (int16 or float32); the result is `out`, or a new float32 array.

        `out` may be int16 or float32 of the same shape and is saturated to 16 bits. Ports that
        neither hear anybody nor are heard cost nothing.
        """
        if x.ndim != 2 or x.shape[0] != self.ports:
            raise ValueError(f"a block must be [{self.ports}, n], not {list(x.shape)}")
        n = x.shape[1]
        if out is not None and not self._changed and not len(self._ears):
            out[:] = 0
            return out
        if self._changed:
            ears, total = self._fade_over(x)
        else:
            ears, total = self._ears, self._hear(x)
        if not (total.max(initial=0.0) <= LIMIT and total.min(initial=0.0) >= -LIMIT - 1):  # or not a number
            np.nan_to_num(total, copy=False, nan=0.0, posinf=LIMIT, neginf=-LIMIT)
            np.clip(total, -LIMIT - 1, LIMIT, out=total)
        if out is None:
            out = np.empty((self.ports, n), np.float32)
        elif np.issubdtype(out.dtype, np.integer):
            np.rint(total, out=total)
        if len(ears) == self.ports:
            out[:] = total
        else:
            out[:] = 0
            out[ears] = total
        return out

    def _hear(self, x: NDArray[np.generic]) -> Array:
        """What the ears hear while nothing changes."""
        if not self._plain:
            return self._part @ _clean(x[self._mouths])
        total: Array = x[self._mouth_of_ear].astype(np.float32, copy=False)
        if not self._as_it_is:
            total *= self._gain_of_ear
        return total

    def _fade_over(self, x: NDArray[np.generic]) -> tuple[NDArray[np.intp], Array]:
        """The block in which the matrix gives way to the new one: whom it concerns, what they hear."""
        n = x.shape[1]
        if len(self._fade) != n:
            self._fade = ((np.arange(n) + 1) / max(n, 1)).astype(np.float32)
        np.multiply(self.matrix, self.gain_in[None, :], out=self._next)
        self._next *= self.gain_out[:, None]
        ears, mouths = _concerned((self._now != 0.0) | (self._next != 0.0))
        part = np.ix_(ears, mouths)
        heard = _clean(x[mouths])
        old: Array = self._now[part] @ heard
        total: Array = self._next[part] @ heard
        total -= old
        total *= self._fade
        total += old
        self._now[:] = self._next
        self._take_part()
        self._changed = n == 0
        return ears, total


def _concerned(matrix: NDArray[np.generic]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Ports that hear anybody, and ports that anybody hears."""
    return np.flatnonzero(matrix.any(axis=1)), np.flatnonzero(matrix.any(axis=0))


def _clean(x: NDArray[np.generic]) -> Array:
    """As float32; what is not finite is silence or the limit."""
    clean: Array = x.astype(np.float32, copy=False)
    if not np.isfinite(clean).all():
        np.nan_to_num(clean, copy=False, nan=0.0, posinf=LIMIT, neginf=-LIMIT)
    return clean
