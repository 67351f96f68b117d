"""Recordings for the command line: WAV files in, WAV files out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from appliance.cli.main import UserError
from dsp.levels import SAMPLE_RATE_HZ, Samples
from dsp.resample import resample

CODINGS = {"PCM_16": "16-bit linear", "ALAW": "A-law", "ULAW": "µ-law"}
LOWEST_RATE_HZ = 4000
HIGHEST_RATE_HZ = 384_000


def read_wav(name: str) -> Samples:
    """A recording as float32 [n], 8000 per second, on the 16-bit scale.

    A file that ends before its header says gives what is there. UserError for a
    file that is missing, is no WAV file, has more than one channel, or a coding
    other than 16-bit linear, A-law and µ-law.
    """
    if not Path(name).is_file():
        raise UserError(f"{name}: there is no such file")
    try:
        with soundfile.SoundFile(name) as sound:
            if sound.format not in ("WAV", "WAVEX"):
                raise UserError(f"{name}: this is {sound.format_info}; give a WAV file")
            if sound.channels != 1:
                raise UserError(f"{name}: {sound.channels} channels; give one channel at a time (mono)")
            if sound.subtype not in CODINGS:
                raise UserError(f"{name}: coded as {sound.subtype_info}; give {', '.join(CODINGS.values())}")
            if not LOWEST_RATE_HZ <= sound.samplerate <= HIGHEST_RATE_HZ:
                raise UserError(
                    f"{name}: {sound.samplerate} samples per second; "
                    f"give {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ}, best {SAMPLE_RATE_HZ}"
                )
            rate_hz = sound.samplerate
            linear = sound.read(dtype="int16")
    except (soundfile.LibsndfileError, OSError) as error:
        raise UserError(f"{name}: cannot be read as a WAV file ({_reason(error)})") from error
    return resample(linear.astype(np.float32), rate_hz, SAMPLE_RATE_HZ)


def write_wav(name: str, x: NDArray[np.float32] | NDArray[np.int16]) -> None:
    """Write samples [n] on the 16-bit scale as 8 kHz mono 16-bit WAV; what overloads is clipped."""
    linear = np.clip(np.rint(x), -32768, 32767).astype(np.int16)
    try:
        soundfile.write(name, linear, SAMPLE_RATE_HZ, subtype="PCM_16", format="WAV")
    except (soundfile.LibsndfileError, OSError) as error:
        raise UserError(f"{name}: cannot be written ({_reason(error)})") from error


def _reason(error: Exception) -> str:
    text = getattr(error, "error_string", str(error))
    return str(text).strip().rstrip(".")
