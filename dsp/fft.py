"""Real FFTs of many rows in single precision, scaled by 1/√size.

In numpy a forward transform without a scale is computed in double precision even when its input is single,
which takes up to four times as long; so does one of rows that are shorter than the transform. Hence the
scale, and hence the caller pads.
"""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Spectra = NDArray[np.complex64]


def forward(x: Float) -> Spectra:
    """The spectrum of each row, complex64 [rows, n // 2 + 1]."""
    return cast(Spectra, np.fft.rfft(x, norm="ortho"))
