"""Somebody in a story while it runs: a mouth, an ear, a telephone and a script."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from appliance.scenario.ear import Tape
from appliance.scenario.model import Person, Step
from appliance.scenario.sounds import Samples
from appliance.scenario.vocabulary import Script

if TYPE_CHECKING:
    from appliance.scenario.stage import Stage

TICK_S = 0.02
BLOCK_SAMPLES = 160
SILENCE: Samples = np.zeros(BLOCK_SAMPLES, dtype=np.int16)
SILENCE.setflags(write=False)

T = TypeVar("T")


class Broken(Exception):
    """An expectation that did not come true: what was expected and what happened instead."""

    def __init__(self, expected: str, happened: str) -> None:
        super().__init__(f"expected {expected}; {happened}")
        self.expected = expected
        self.happened = happened


class Actor:
    """One person. The stage calls `speak`, then runs the box for a tick, then `listen` and `act`."""

    def __init__(self, person: Person, stage: Stage) -> None:
        self.person = person
        self.stage = stage
        self.ear = Tape()
        """What arrives at the receiver, silence while on hook."""
        self.voice = Tape(600.0)
        """What was said into the transmitter (not the keys)."""
        self.mark = 0
        """Prompts are looked for from this position: the end of what was recognised last."""
        self.pops: deque[dict[str, Any]] = deque()
        self.step: Step | None = None
        self.finished = False
        self._saying: list[Samples] = []
        self._saying_at = 0
        self._looped: Samples | None = None
        self._looped_at = 0
        self._muted_until_s = 0.0
        self._script: Script | None = None

    # ------------------------------------------------------------------- time
    @property
    def now_s(self) -> float:
        """Virtual time since the story began."""
        return self.stage.now_s

    def begin_step(self, step: Step) -> None:
        """Take up a step; its clock starts now."""
        self.step = step

    def play(self) -> Script:
        """All steps of the script, one after the other."""
        for step in self.person.steps:
            self.step = step
            if step.at_s is not None:
                while self.now_s < step.at_s - 1e-9:
                    yield
            if step.after_s is not None:
                yield from self.pause(step.after_s)
            self.stage.log(self.person.title, "step", {"line": step.line, "text": step.text})
            yield from step.verb.perform(self, step.args)
        self.step = None

    def act(self) -> None:
        """Go on with the script until time must pass. Raises Broken."""
        if self.finished:
            return
        if self._script is None:
            self._script = self.play()
        try:
            next(self._script)
        except StopIteration:
            self.finished = True

    def pause(self, duration_s: float) -> Script:
        """Let time pass."""
        end_s = self.now_s + duration_s
        while self.now_s < end_s - 1e-9:
            yield

    def until(
        self, condition: Callable[[], T | None], expected: str, happened: Callable[[], str]
    ) -> Generator[None, None, T]:
        """Wait for the step's `within` until `condition` gives something. Raises Broken."""
        assert self.step is not None
        within_s = self.step.within_s if self.step.within_s is not None else 30.0
        end_s = self.now_s + within_s
        while True:
            result = condition()
            if result:
                return result
            if self.now_s >= end_s - 1e-9:
                raise Broken(f"{expected} within {within_s:g} s", happened())
            yield

    def never(
        self, condition: Callable[[], object], duration_s: float, expected: str, happened: str
    ) -> Script:
        """Watch for a while that `condition` gives nothing. Raises Broken."""
        end_s = self.now_s + duration_s
        while self.now_s < end_s - 1e-9:
            if condition():
                raise Broken(expected, happened)
            yield

    # ------------------------------------------------------------------ sound
    @property
    def speaking(self) -> bool:
        """Something queued by `say` is still to be said."""
        return bool(self._saying)

    def say(self, sound: Samples) -> None:
        """Queue a sound for the mouth."""
        if len(sound):
            self._saying.append(sound)

    def keep_saying(self, sound: Samples | None) -> None:
        """Say a sound again and again until told otherwise; None stops."""
        self._looped, self._looped_at = sound, 0

    def next_block(self) -> Samples:
        """What the mouth says in the coming tick, int16 [160]."""
        block = SILENCE
        if self.now_s < self._muted_until_s - 1e-9:
            pass
        elif self._saying:
            block = self._queued()
        elif self._looped is not None:
            at = self._looped_at
            block = np.take(self._looped, range(at, at + BLOCK_SAMPLES), mode="wrap")
            self._looped_at = (at + BLOCK_SAMPLES) % len(self._looped)
        self.voice.append(block)
        return block

    def _queued(self) -> Samples:
        block = np.zeros(BLOCK_SAMPLES, dtype=np.int16)
        filled = 0
        while filled < BLOCK_SAMPLES and self._saying:
            head = self._saying[0]
            piece = head[self._saying_at : self._saying_at + BLOCK_SAMPLES - filled]
            block[filled : filled + len(piece)] = piece
            filled += len(piece)
            self._saying_at += len(piece)
            if self._saying_at >= len(head):
                self._saying.pop(0)
                self._saying_at = 0
        return block

    def mute(self, duration_s: float) -> None:
        """A telephone switches its transmitter off while keys are pressed."""
        self._muted_until_s = self.now_s + duration_s

    def say_nothing(self) -> None:
        """Fall silent: nothing queued, nothing repeated."""
        self._saying.clear()
        self._saying_at = 0
        self._looped = None

    def listen_from_now(self) -> None:
        """Forget what was heard: a new call begins."""
        self.mark = self.ear.end
