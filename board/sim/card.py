"""The simulated office as a card: `board.api.Board` over `Office`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from board.api import (
    BoardError,
    CardCaps,
    Command,
    CommandFailed,
    DialPulses,
    FlashHook,
    LineMeasure,
    PortInfo,
    PortKind,
    Samples,
    SetHook,
    Tick,
)
from board.sim.config import OfficeConfig
from board.sim.fxs import PhoneCommand
from board.sim.levels import BLOCK
from board.sim.office import Office
from board.sim.pace import Pace, VirtualPace, WallPace

_LINE_CAN = frozenset({"polarity", "battery", "voltage", "onhook-audio"})
_PHONE_CAN = frozenset({"polarity", "battery", "voltage", "onhook-audio", "lamp", "breaks"})


class SimBoard:
    """One simulated card. `office` gives the people on the other side of its sockets.

    pace: "virtual" (`read` returns at once) or "wall" (every 20 ms), or an own `Pace`.
    """

    def __init__(self, config: OfficeConfig, pace: str | Pace = "virtual", card_id: str = "sim") -> None:
        if isinstance(pace, str):
            if pace not in ("virtual", "wall"):
                raise BoardError(f"pace is {pace!r}; choose virtual or wall")
            pace = VirtualPace() if pace == "virtual" else WallPace()
        self._pace: Pace = pace
        self._id = card_id
        self.office = Office(config)
        self._ports = tuple(
            PortInfo(i, PortKind.FXO, f"{card_id}/{i}", _LINE_CAN) for i in range(len(config.lines))
        ) + tuple(
            PortInfo(len(config.lines) + i, PortKind.FXS, f"{card_id}/{len(config.lines) + i}", _PHONE_CAN)
            for i in range(len(config.phones))
        )
        self._shape = (len(self._ports), BLOCK)
        self._silence: Samples = np.zeros(self._shape, dtype=np.int16)
        self._out = self._silence
        self._commands: list[tuple[int, int, Command]] = []
        self._last_command = 0
        self._open = True
        self._pulled = ""

    @property
    def id(self) -> str:
        """Stable name."""
        return self._id

    @property
    def caps(self) -> CardCaps:
        """Rate and block size."""
        return CardCaps(firmware="simulated", features=frozenset({"simulated"}))

    @property
    def ports(self) -> Sequence[PortInfo]:
        """Lines first, then telephones."""
        return self._ports

    def read(self) -> Tick:
        """Next block, when the pace allows. What was written since the last read plays in it."""
        self._need_open()
        lost = self._pace.wait()
        clock = self.office.clock
        for number, port, command in self._commands:
            self._carry_out(number, port, command, clock)
        self._commands.clear()
        out, self._out = self._out, self._silence
        tick = self.office.tick(out)
        return replace(tick, lost=lost) if lost else tick

    def write(self, audio: Samples) -> None:
        """Samples int16 [ports, 160] for the next block; BoardError for any other shape or type."""
        self._need_open()
        if audio.shape != self._shape or audio.dtype != np.int16:
            raise BoardError(
                f"write needs int16 samples {list(self._shape)}, not {audio.dtype} {list(audio.shape)}"
            )
        self._out = audio.copy()

    def command(self, port: int, command: Command) -> int:
        """Queue a command for the start of the next block; its result comes as an event."""
        self._need_open()
        if not 0 <= port < len(self._ports):
            raise BoardError(f"port {port} does not exist: ports are 0 to {len(self._ports) - 1}")
        self._last_command += 1
        self._commands.append((self._last_command, port, command))
        return self._last_command

    def measure(self, port: int) -> LineMeasure:
        """Voltage, current, polarity and hook of a port, as they are now."""
        self._need_open()
        if not 0 <= port < len(self._ports):
            raise BoardError(f"port {port} does not exist: ports are 0 to {len(self._ports) - 1}")
        lines = len(self.office.fxo)
        return self.office.fxo[port].measure() if port < lines else self.office.fxs[port - lines].measure()

    def pull(self, reason: str = "the card was pulled out") -> None:
        """Take the whole card away: whoever uses it finds it gone. A new card with this id is its return."""
        self._pulled = reason

    def close(self) -> None:
        """Stop. Idempotent."""
        self._open = False

    def _need_open(self) -> None:
        if self._pulled:
            raise BoardError(self._pulled)
        if not self._open:
            raise BoardError("the simulated card has been closed: open it again")

    def _carry_out(self, number: int, port: int, command: Command, clock: int) -> None:
        lines = len(self.office.fxo)
        kind = self._ports[port].kind
        if kind is PortKind.FXO and isinstance(command, SetHook | FlashHook | DialPulses):
            self.office.fxo[port].command(number, command, clock)
        elif kind is PortKind.FXS and isinstance(command, PhoneCommand):
            self.office.fxs[port - lines].command(number, command, clock)
        else:
            reason = f"{type(command).__name__} is not for {kind.value} ports"
            self.office.refuse(CommandFailed(port, clock, number, reason))
