"""Where in a recording a number is dialled.

Whoever judges the network's tones must know: what sounds before a key is dial tone, whatever else
it may look like, and a key is neither quiet nor somebody's voice.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dsp.dtmf import DtmfReceiver
from dsp.levels import lingering
from dsp.linescan import HOP

EDGE_FRAMES = 2
"""Frames beside a key that may hold its edge, or the click of the contact."""


def key_frames(samples: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Whether a key sounds in, or beside, each 20 ms frame of a recording `[n]`; the last may be cut."""
    x = np.asarray(samples, np.float32)
    found = np.zeros(-(-len(x) // HOP), np.bool_)
    for key in DtmfReceiver(1).process(lingering(x)[None, :]):
        if key.phase == "up":
            first = key.start_samples // HOP - EDGE_FRAMES
            stop = -(-(key.start_samples + key.duration_samples) // HOP) + EDGE_FRAMES
            found[max(first, 0) : max(stop, 0)] = True
    return found
