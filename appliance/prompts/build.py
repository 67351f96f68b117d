"""Make the shipped prompts: speech by espeak-ng, waiting music by a few sines.

Run as `python -m appliance.prompts.build [FOLDER]`. Existing files that are
younger than the sentences are kept, so a repeated set-up costs nothing.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from dsp.levels import SAMPLE_RATE_HZ, rms_from_dbm0
from dsp.resample import resample

SENTENCES = Path(__file__).with_name("sentences.toml")
BUILT = Path(__file__).with_name("built")
SPEECH_LEVEL_DBM0 = -16.0
"""Mean level while speaking: loud enough on a long line, well below overload."""
MUSIC_LEVEL_DBM0 = -24.0
PAD_S = 0.15


class BuildError(Exception):
    """A prompt could not be made; the text says what is missing."""


def speak(text: str, voice: str, words_per_minute: int) -> NDArray[np.float32]:
    """Speech of `text` at 8 kHz on the 16-bit scale, with short silences around it."""
    command = ["espeak-ng", "-v", voice, "-s", str(words_per_minute), "--stdout", text]
    try:
        wav = subprocess.run(command, check=True, capture_output=True).stdout
    except FileNotFoundError:
        raise BuildError("espeak-ng is not installed: run `make setup`") from None
    except subprocess.CalledProcessError as error:
        raise BuildError(f"espeak-ng refused voice {voice}: {error.stderr.decode().strip()}") from error
    samples, rate = soundfile.read(io.BytesIO(wav), dtype="int16")
    speech = resample(samples.astype(np.float32), rate, SAMPLE_RATE_HZ)
    loud = speech[np.abs(speech) > 0.05 * np.max(np.abs(speech))]
    speech *= rms_from_dbm0(SPEECH_LEVEL_DBM0) / max(float(np.sqrt(np.mean(loud**2))), 1.0)
    pad = np.zeros(int(PAD_S * SAMPLE_RATE_HZ), np.float32)
    return np.concatenate([pad, np.clip(speech, -32767, 32767), pad])


def waiting_music() -> NDArray[np.float32]:
    """64 s of a calm broken-chord piece that loops without a seam.

    Decaying notes of three partials in the telephone band; no two notes sound
    together for long, so that no receiver takes them for signalling.
    """
    beat_s = 0.5
    chords = [(0, 4, 7, 12), (9, 12, 16, 21), (5, 9, 12, 17), (7, 11, 14, 19)]
    order = (0, 1, 2, 3, 2, 1, 3, 2)
    total = int(4 * len(chords) * len(order) * beat_s * SAMPLE_RATE_HZ)
    out = np.zeros(total, np.float32)
    t = np.arange(int(2.0 * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    envelope = np.exp(-2.2 * t) * np.minimum(t / 0.012, 1.0)
    for bar in range(4 * len(chords)):
        chord = chords[bar % len(chords)]
        lift = 12 if (bar // len(chords)) % 2 else 0
        for step, which in enumerate(order):
            pitch_hz = 261.63 * 2.0 ** ((chord[which] + (lift if step % 4 == 0 else 0)) / 12)
            note = sum(a * np.sin(2 * np.pi * pitch_hz * k * t) for k, a in ((1, 1.0), (2, 0.35), (3, 0.12)))
            start = int((bar * len(order) + step) * beat_s * SAMPLE_RATE_HZ)
            place = (start + np.arange(t.size)) % total
            out[place] += (envelope * note).astype(np.float32)
    return out * np.float32(rms_from_dbm0(MUSIC_LEVEL_DBM0) / np.sqrt(np.mean(out**2)))


def build(folder: Path = BUILT) -> list[Path]:
    """Make what is missing or older than the sentences; returns the files made."""
    wanted = tomllib.loads(SENTENCES.read_text(encoding="utf-8"))
    newest_source = max(SENTENCES.stat().st_mtime, Path(__file__).stat().st_mtime)
    made = []
    music: NDArray[np.float32] | None = None
    for language, part in wanted.items():
        for name in (*part["sentences"], "music"):
            path = folder / language / f"{name}.wav"
            if path.exists() and path.stat().st_mtime >= newest_source:
                continue
            if name == "music":
                music = waiting_music() if music is None else music
                samples = music
            else:
                samples = speak(part["sentences"][name], part["voice"], part["words_per_minute"])
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".part")
            soundfile.write(partial, samples.astype(np.int16), SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
            partial.replace(path)
            made.append(path)
    return made


def main() -> int:
    """Command line of the build step."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else BUILT
    try:
        made = build(folder)
    except BuildError as error:
        print(f"prompts: {error}", file=sys.stderr)
        return 1
    print(f"prompts: {len(made)} made in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
