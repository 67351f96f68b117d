"""What the box says on its own: prompts, music, supervisory tones, dialled digits.

One source at a time per port (matrix row); a new one replaces the old one,
which is faded out over 2.5 ms so that nothing clicks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from appliance.engine.prompts import Loading, PromptError, Speech
from dsp.tones import ToneGenerator, ToneSpec

Float = NDArray[np.float32]

FADE_SAMPLES = 20
_FADE: Float = np.linspace(1.0, 0.0, FADE_SAMPLES, endpoint=False, dtype=np.float32)

GetPrompt = Callable[[str], Speech | Loading]


@dataclass(frozen=True)
class Finished:
    """A prompt list or a dialled number has come to its end on a row. `error`: why it did not play."""

    row: int
    token: int
    dialled: bool = False
    error: str = ""


@dataclass(slots=True)
class _Playlist:
    token: int
    names: tuple[str, ...]
    loop: bool
    parts: list[Speech | None]
    """Of each name, None until it is there; and a None for the end."""
    index: int = 0
    at: int = 0


class Players:
    """Sources of all rows. The tick thread alone uses it."""

    def __init__(self, rows: int, get_prompt: GetPrompt) -> None:
        """`get_prompt(name)`: samples, LOADING, or PromptError."""
        self._get = get_prompt
        self._lists: dict[int, _Playlist] = {}
        self._tails: dict[int, Float] = {}
        self._dialling: dict[int, int] = {}
        self._tones = ToneGenerator(rows)
        self._toned: set[int] = set()
        self._finished: list[Finished] = []
        self.dialling = np.zeros(rows, np.bool_)
        """Rows on which digits are being sent."""

    def play(self, row: int, token: int, names: tuple[str, ...], loop: bool) -> None:
        """Play prompts one after the other; `loop` repeats them for ever."""
        self.quiet(row)
        playlist = _Playlist(token, names, loop, [None] * (len(names) + 1))
        try:
            for index in range(len(names)):
                self._fetch(playlist, index)
        except PromptError as error:
            self._finished.append(Finished(row, token, error=str(error)))
            return
        self._lists[row] = playlist

    def tone(self, row: int, spec: ToneSpec) -> None:
        """Play a tone until something else is wanted."""
        self.quiet(row)
        self._start_tone(row, spec)

    def dial(self, row: int, token: int, spec: ToneSpec) -> None:
        """Send digits, then report them as sent."""
        self.quiet(row)
        self._start_tone(row, spec)
        self._dialling[row] = token
        self.dialling[row] = True

    def quiet(self, row: int) -> None:
        """Stop whatever this row plays; nothing is reported."""
        playlist = self._lists.pop(row, None)
        self._dialling.pop(row, None)
        self.dialling[row] = False
        if row in self._toned:
            self._tones.stop(row)
        if playlist is not None and (part := playlist.parts[playlist.index]) is not None:
            rest = part[playlist.at : playlist.at + FADE_SAMPLES]
            self._tails[row] = rest * _FADE[: len(rest)]

    def is_playing(self, row: int) -> bool:
        """Whether this row has a source."""
        return row in self._lists or (row in self._toned and self._tones.is_playing(row))

    def add_to(self, out: Float) -> None:
        """Add one block of every source to `out`, float32 [rows, n]."""
        if self._toned:
            out += self._tones.render(out.shape[1])
            for row in [row for row in self._toned if not self._tones.is_playing(row)]:
                self._toned.discard(row)
                token = self._dialling.pop(row, None)
                if token is not None:
                    self.dialling[row] = False
                    self._finished.append(Finished(row, token, dialled=True))
        if self._tails:
            for row, tail in self._tails.items():
                out[row, : len(tail)] += tail
            self._tails.clear()
        if self._lists:
            self._add_lists(out)

    def take_finished(self) -> list[Finished]:
        """What has ended since the last call."""
        if not self._finished:
            return []
        finished, self._finished = self._finished, []
        return finished

    def _start_tone(self, row: int, spec: ToneSpec) -> None:
        self._tones.start(row, spec)
        self._toned.add(row)

    def _fetch(self, playlist: _Playlist, index: int) -> Speech | None:
        part = playlist.parts[index]
        if part is None:
            found = self._get(playlist.names[index])
            if not isinstance(found, Loading):
                part = playlist.parts[index] = found
        return part

    def _add_lists(self, out: Float) -> None:
        """Prompts that go on beyond this block, which nearly all do, are added together."""
        n = out.shape[1]
        rows: list[int] = []
        pieces: list[Speech] = []
        others: list[int] = []
        for row, playlist in self._lists.items():
            part, end = playlist.parts[playlist.index], playlist.at + n
            if part is not None and end < len(part):
                rows.append(row)
                pieces.append(part[playlist.at : end])
                playlist.at = end
            else:
                others.append(row)
        if rows:
            out[rows] += np.concatenate(pieces).reshape(len(rows), n)
        for row in others:
            self._add_list(row, self._lists[row], out[row])

    def _add_list(self, row: int, playlist: _Playlist, out: Float) -> None:
        filled = 0
        while filled < len(out):
            if playlist.index == len(playlist.names):
                if playlist.loop and any(part is not None and len(part) for part in playlist.parts):
                    playlist.index = 0
                    continue
                del self._lists[row]
                self._finished.append(Finished(row, playlist.token, error=self._why_silent(playlist)))
                return
            try:
                part = self._fetch(playlist, playlist.index)
            except PromptError as error:
                del self._lists[row]
                self._finished.append(Finished(row, playlist.token, error=str(error)))
                return
            if part is None:
                return
            piece = part[playlist.at : playlist.at + len(out) - filled]
            out[filled : filled + len(piece)] += piece
            filled += len(piece)
            playlist.at += len(piece)
            if playlist.at >= len(part):
                playlist.at = 0
                playlist.index += 1

    @staticmethod
    def _why_silent(playlist: _Playlist) -> str:
        """A loop never ends by itself, unless there is nothing in it."""
        return f"there is no sound in {', '.join(playlist.names)}" if playlist.loop else ""
