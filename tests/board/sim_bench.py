"""Runs the simulated office for a test and collects what came out of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from board.api import Command, PortEvent, SetHook
from board.sim import SimBoard


@dataclass
class Bench:
    """A board on the virtual clock with the engine's part played by the test."""

    board: SimBoard
    events: list[PortEvent] = field(default_factory=list)

    @property
    def office(self):
        return self.board.office

    @property
    def now_s(self) -> float:
        return self.office.clock / 8000

    def run(self, seconds: float, play: dict[int, np.ndarray] | None = None) -> np.ndarray:
        """Run on, playing int16 sounds on ports from their beginning; returns audio [ports, n]."""
        blocks = [np.zeros((len(self.board.ports), 0), dtype=np.int16)]
        for tick in range(round(seconds * 50)):
            if play:
                out = np.zeros((len(self.board.ports), 160), dtype=np.int16)
                for port, sound in play.items():
                    piece = sound[tick * 160 : tick * 160 + 160]
                    out[port, : piece.size] = piece
                self.board.write(out)
            got = self.board.read()
            self.events += got.events
            blocks.append(got.audio)
        return np.concatenate(blocks, axis=1)

    def do(self, port: int, command: Command) -> int:
        return self.board.command(port, command)

    def take(self, port: int, seconds: float = 0.0) -> np.ndarray:
        self.do(port, SetHook(True))
        return self.run(seconds)

    def release(self, port: int, seconds: float = 1.5) -> np.ndarray:
        self.do(port, SetHook(False))
        return self.run(seconds)

    def seen(self, *kinds: type, port: int | None = None) -> list:
        return [e for e in self.events if isinstance(e, kinds) and (port is None or e.port == port)]

    def until(self, what: Callable[[], bool], limit_s: float = 30.0) -> None:
        end = self.now_s + limit_s
        while not what():
            assert self.now_s < end, "did not happen in time"
            self.run(0.02)
