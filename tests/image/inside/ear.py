"""What is in a sound: tones, and the product's prompts."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.int16]
Floats = NDArray[np.float64]

SLACK = 1600
"""Samples by which a word of a sentence may come early or late."""


def tone(hz: float, seconds: float, peak: float = 6000.0) -> Sound:
    """A sine."""
    return np.rint(peak * np.sin(2 * np.pi * hz * np.arange(round(8000 * seconds)) / 8000)).astype(np.int16)


def loudest(sound: Sound, hz: float, window_s: float = 0.5) -> float:
    """Peak of a sine of this frequency in that part of a sound where it is loudest."""
    size = round(8000 * window_s)
    wave_ = np.exp(-2j * np.pi * hz * np.arange(size) / 8000)
    starts = range(0, max(1, len(sound) - size), size // 2)
    return max(
        float(2 * abs(np.dot(sound[at : at + size], wave_[: len(sound[at : at + size])])) / size)
        for at in starts
    )


def longest_pause(sound: NDArray[Any], quiet: float = 50.0) -> float:
    """Seconds of the longest stretch without a block of 20 ms that is louder (root of mean square)."""
    blocks = sound[: len(sound) // 160 * 160].reshape(-1, 160).astype(np.float64)
    loud = np.flatnonzero(np.sqrt(np.mean(blocks**2, axis=1)) > quiet)
    return float(np.diff([-1, *loud, len(blocks)]).max() - 1) / 50


def likeness(heard: NDArray[Any], wanted: NDArray[Any]) -> tuple[float, int]:
    """(best normalised correlation, its place in samples) of `wanted` within `heard`."""
    if len(heard) < len(wanted):
        return 0.0, 0
    there, like = heard.astype(np.float64), wanted.astype(np.float64)
    size = 1 << (len(there) + len(like)).bit_length()
    cross = np.fft.irfft(np.fft.rfft(there, size) * np.conj(np.fft.rfft(like, size)), size)
    places = len(there) - len(like) + 1
    energy = np.concatenate([[0.0], np.cumsum(there**2)])
    local = energy[len(like) :][:places] - energy[:places]
    score = cross[:places] / np.sqrt(np.maximum(local, 1.0) * np.sum(like**2))
    at = int(score.argmax())
    return float(score[at]), at


def prompt(folder: Path, name: str) -> Sound:
    """A prompt as it is played."""
    with wave.open(str(folder / f"{name}.wav")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def digits(heard: Sound, folder: Path, language: str, after: str, count: int) -> tuple[str, float]:
    """The digits spoken after a prompt, as understood without knowing them; and the least likeness of all."""
    opening, at = likeness(heard, prompt(folder, after))
    at += len(prompt(folder, after))
    words = {digit: prompt(folder, f"say_{language}_{digit}") for digit in "0123456789"}
    said, least = "", opening
    for _ in range(count):
        # Each word begins where the last one has ended; blocks may be missing when the listener is slow.
        near = heard[at - SLACK : at + SLACK + max(len(word) for word in words.values())]
        found = {digit: likeness(near, word) for digit, word in words.items()}
        best = max(found, key=lambda digit: found[digit][0])
        said, least = said + best, min(least, found[best][0])
        at += found[best][1] - SLACK + len(words[best])
    return said, least
