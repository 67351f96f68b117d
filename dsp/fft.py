"""Real FFTs of many rows in single precision, both ways scaled by 1/√size, so that one undoes the other.

In numpy a forward transform without a scale is computed in double precision even when its input is single,
which takes up to four times as long; so does one of rows that are shorter than the transform. Hence the
scale, and hence the caller pads.

A filter and a signal meet so: `backward(forward(x) * np.fft.rfft(h))` is x filtered by h.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Spectra = NDArray[np.complex64]


def forward(x: Float, out: Spectra | None = None) -> Spectra:
    """The spectrum of each row, complex64 [rows, n // 2 + 1]."""
    return cast(Spectra, np.fft.rfft(x, norm="ortho", out=cast(Any, out)))


def backward(x: Spectra, size: int, out: Float | None = None) -> Float:
    """The inverse of `forward`; `size` is that of the rows, even."""
    return cast(Float, np.fft.irfft(x, size, norm="ortho", out=cast(Any, out)))
