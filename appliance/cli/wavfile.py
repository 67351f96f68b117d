"""Recordings for the command line: WAV files in, WAV files out."""

from __future__ import annotations

import io
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

    A file that ends before its header says gives what is there, and so does one whose header was never
    filled in because its recorder was killed. UserError for a file that is missing, is no WAV file or
    breaks off before the first sample, has more than one channel, or a coding
    other than 16-bit linear, A-law and µ-law.
    """
    if Path(name).is_dir():
        raise UserError(f"{name}: this is a folder; give a WAV file")
    if not Path(name).is_file():
        raise UserError(f"{name}: there is no such file")
    raw = b""
    try:
        raw = Path(name).read_bytes()
        with soundfile.SoundFile(_filled_in(raw, name)) as sound:
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
        if raw[12:16] == b"fmt " and raw[24:28] == bytes(4):
            raise UserError(f"{name}: its header says 0 samples per second; no sound is so slow") from error
        raise UserError(f"{name}: cannot be read as a WAV file ({_reason(error)})") from error
    return resample(linear.astype(np.float32), rate_hz, SAMPLE_RATE_HZ)


def _filled_in(raw: bytes, name: str) -> io.BytesIO:
    """A WAV file; sizes that its header still has as nothing are made those of all that is there.

    RIFF/WAVE: 12 octets, then chunks of a name, a size (32 bits, the lowest octet first) and so many octets.
    UserError where it breaks off before the first sample.
    """
    if raw[:4] != b"RIFF":
        return io.BytesIO(raw)
    at = 12
    while raw[at : at + 4] not in (b"data", b""):
        at += 8 + _padded_size(raw, at)
    begin = at + 8
    there = len(raw) - begin
    size = int.from_bytes(raw[at + 4 : begin], "little")
    if raw[at : at + 4] == b"data" and (there < 0 or (size > 0 and there == 0)):
        raise UserError(f"{name}: breaks off in its header, before the first sample")
    if size == 0 and there > 0 and not _is_chunks(raw, begin):
        sizes = [(len(raw) - 8).to_bytes(4, "little"), there.to_bytes(4, "little")]
        raw = b"".join((raw[:4], sizes[0], raw[8 : at + 4], sizes[1], raw[begin:]))
    return io.BytesIO(raw)


def _padded_size(raw: bytes, at: int) -> int:
    """Octets of the chunk whose name stands at `at`, beside its name and size."""
    size = int.from_bytes(raw[at + 4 : at + 8], "little")
    return size + size % 2


def _is_chunks(raw: bytes, at: int) -> bool:
    """Whether what stands from `at` to the end of a file is chunks, no sound."""
    while at + 8 <= len(raw) and all(32 <= octet < 127 for octet in raw[at : at + 4]):
        at += 8 + _padded_size(raw, at)
    return at in (len(raw), len(raw) + 1)


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
