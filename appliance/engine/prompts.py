"""Prompts and music as samples in memory, loaded by a helper thread."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from appliance.engine.worker import Worker
from dsp.resample import resample

log = logging.getLogger(__name__)

LANGUAGES = ("zh", "en")
MAX_PROMPT_S = 1800.0
"""Half an hour of music is 29 MB; longer files are refused."""

Speech = NDArray[np.int16]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")
RATE_HZ = 8000


class PromptError(Exception):
    """A prompt cannot be played; the text names it and says why."""


class Loading(Enum):
    """Stands for a prompt whose samples are not there yet."""

    LOADING = "loading"


LOADING = Loading.LOADING


@dataclass(frozen=True)
class _Loaded:
    samples: Speech
    path: Path
    mtime_ns: int


def read_prompt(path: Path) -> Speech:
    """Samples int16 [n] at 8 kHz, mono. Raises PromptError."""
    try:
        with soundfile.SoundFile(path) as file:
            if file.frames > MAX_PROMPT_S * file.samplerate:
                raise PromptError(f"prompt file {path} is longer than {MAX_PROMPT_S / 60:.0f} minutes")
            rate_hz = int(file.samplerate)
            channels = file.read(dtype="int16", always_2d=True)
    except (OSError, soundfile.SoundFileError) as error:
        raise PromptError(f"prompt file {path} cannot be read as sound: {error}") from error
    mono = channels[:, 0] if channels.shape[1] == 1 else channels.mean(axis=1)
    if rate_hz != RATE_HZ:
        mono = np.clip(np.rint(resample(mono.astype(np.float32), rate_hz, RATE_HZ)), -32768, 32767)
    return np.ascontiguousarray(mono, dtype=np.int16)


class PromptStore:
    """Prompts by name, in the language of the plan.

    A name is looked up among the customer's own prompts, then the shipped ones,
    then both again in the other language: a caller rather hears the right
    sentence in the wrong language than nothing.
    """

    def __init__(self, own: Path, shipped: Path, worker: Worker, language: str = "zh") -> None:
        self._own = own
        self._shipped = shipped
        self._worker = worker
        self._language = language
        self._loaded: dict[tuple[str, str], _Loaded | PromptError] = {}
        self._asked: set[tuple[str, str]] = set()

    def use(self, language: str) -> None:
        """Speak this language from now on, and pick up prompts that have changed on disk."""
        self._language = language
        self._worker.submit(self._refresh)
        self._worker.submit(lambda: self._preload(language))

    def get(self, name: str) -> Speech | Loading:
        """Samples of a prompt, or LOADING when they will be there soon. Raises PromptError."""
        key = (self._language, name)
        found = self._loaded.get(key)
        if found is None:
            if key not in self._asked:
                self._asked.add(key)
                self._worker.submit(lambda: self._load(key))
                found = self._loaded.get(key)
            if found is None:
                return LOADING
        if isinstance(found, PromptError):
            # Somebody may have put it there by now: look again the next time it is wanted.
            self._asked.discard(key)
            del self._loaded[key]
            raise PromptError(str(found)) from found
        return found.samples

    def missing(self, name: str) -> bool:
        """Whether no file holds this prompt (looks at the disk)."""
        return self._find(self._language, name) is None

    # ---------------------------------------------------------- helper thread
    def _find(self, language: str, name: str) -> Path | None:
        if not _NAME.match(name):
            return None
        for spoken in (language, *(other for other in LANGUAGES if other != language)):
            for folder in (self._own, self._shipped):
                path = folder / spoken / f"{name}.wav"
                if path.is_file():
                    return path
        return None

    def _load(self, key: tuple[str, str]) -> None:
        path = self._find(*key)
        try:
            if path is None:
                raise PromptError(f"prompt {key[1]!r} does not exist: record it or take it out of the flow")
            self._loaded[key] = _Loaded(read_prompt(path), path, path.stat().st_mtime_ns)
        except (PromptError, OSError) as error:
            log.warning("%s", error)
            self._loaded[key] = PromptError(str(error))

    def _preload(self, language: str) -> None:
        """Everything that could be wanted, so that nobody waits for a disk during a call."""
        for folder in (self._shipped / language, self._own / language):
            for path in sorted(folder.glob("*.wav")):
                key = (language, path.stem)
                if key not in self._asked:
                    self._asked.add(key)
                    self._load(key)

    def _refresh(self) -> None:
        for key, loaded in list(self._loaded.items()):
            if isinstance(loaded, PromptError):
                self._loaded.pop(key, None)
                self._asked.discard(key)
                continue
            path = self._find(*key)
            if path != loaded.path or path.stat().st_mtime_ns != loaded.mtime_ns:
                self._load(key)
