"""Audio files of stories: found beside the story, then among Debian's spoken sounds; always 8 kHz mono."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

RATE_HZ = 8000
SPOKEN_SOUNDS = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
"""Human speech, folder of Debian's package `asterisk-core-sounds-en-wav`."""
PACKAGE = "asterisk-core-sounds-en-wav"
MAX_S = 600.0

Samples = NDArray[np.int16]


class NoSound(ValueError):
    """A file that is not there or cannot be used; the text says what to do."""


def find(name: str, beside: Path) -> Path:
    """The file `name` (with or without `.wav`) in the story's folder or among the spoken sounds.

    Raises NoSound naming the places that were searched.
    """
    given = Path(name).expanduser()
    folders: Iterable[Path] = (Path(),) if given.is_absolute() else (beside, beside / "audio", SPOKEN_SOUNDS)
    for folder in folders:
        for path in (folder / given, folder / f"{given}.wav"):
            if path.is_file():
                return path.resolve()
    if given.is_absolute():
        raise NoSound(f"there is no file {given}.")
    where = f"beside the story ({beside}) or in {SPOKEN_SOUNDS}"
    if not SPOKEN_SOUNDS.is_dir():
        raise NoSound(
            f"no audio file `{name}` {where}. That folder comes with Debian's package {PACKAGE}: "
            f"sudo apt-get install {PACKAGE}"
        )
    raise NoSound(f"no audio file `{name}` {where} (package {PACKAGE}): `ls` there shows what there is.")


def load(path: Path) -> Samples:
    """The sound as int16 [samples] at 8 kHz, channels averaged, resampled when needed. Raises NoSound."""
    try:
        audio, rate_hz = soundfile.read(path, dtype="float64", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise NoSound(f"{path.name} is not a sound file that can be read ({error}). Use WAV.") from error
    if not 0 < len(audio) <= MAX_S * rate_hz:
        raise NoSound(f"{path.name} holds {len(audio) / rate_hz:.1f} s; it must be 0 to {MAX_S:.0f} s.")
    mono = audio.mean(axis=1)
    if rate_hz != RATE_HZ:
        mono = resample(mono, rate_hz)
    return to_int16(mono * 32768.0)


def resample(audio: NDArray[np.float64], rate_hz: int) -> NDArray[np.float64]:
    """Band-limited resampling of a whole signal to 8 kHz by cutting or padding its spectrum."""
    count = max(1, round(len(audio) * RATE_HZ / rate_hz))
    spectrum = np.fft.rfft(audio)
    wanted = count // 2 + 1
    cut = np.zeros(wanted, dtype=np.complex128)
    shared = min(wanted, len(spectrum))
    cut[:shared] = spectrum[:shared]
    return np.asarray(np.fft.irfft(cut, count) * (count / len(audio)), dtype=np.float64)


def to_int16(audio: NDArray[np.float64]) -> Samples:
    """Rounded and clipped to 16 bits."""
    return np.asarray(np.clip(np.rint(audio), -32768, 32767), dtype=np.int16)


def tone(frequencies_hz: tuple[float, ...], level_dbm0: float, duration_s: float) -> Samples:
    """Sines added up, each at `level_dbm0`; 0 dBm0 has a peak of 22827."""
    t = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    peak = 22827.0 * 10.0 ** (level_dbm0 / 20.0)
    total = np.sum([peak * np.sin(2.0 * np.pi * f * t) for f in frequencies_hz], axis=0)
    return to_int16(np.asarray(total, dtype=np.float64))


def level_dbm0(audio: Samples | NDArray[np.float64]) -> float:
    """Mean power in dBm0; −120 for digital silence."""
    if len(audio) == 0:
        return -120.0
    power = float(np.mean(np.square(audio, dtype=np.float64)))
    return max(-120.0, 10.0 * float(np.log10(max(power, 1e-12) / (22827.0**2 / 2.0))))
