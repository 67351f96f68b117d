"""The simulated office: everything that stands on the other side of the box's sockets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from board.api import CommandFailed, Tick
from board.sim.config import LineConfig, OfficeConfig, OfficeError
from board.sim.exchange import ExchangeLine, LineState, Party
from board.sim.fxo import FxoPort
from board.sim.fxs import FxsPort
from board.sim.levels import BLOCK, Float, Int16, gain_of, samples_of_ms, to_int16
from board.sim.outside import BEHAVIOURS, OutsidePhone, Script
from board.sim.own_lines import End
from board.sim.sound import SoundPath
from board.sim.telephone import TelephoneSet
from board.sim.tones import Player
from board.sim.world import World

_SILENCE: Int16 = np.zeros(BLOCK, dtype=np.int16)
_SILENCE.setflags(write=False)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


class Voice(Protocol):
    """A party that the tick asks for sound and gives sound to."""

    line: ExchangeLine | None

    @property
    def talking(self) -> bool:
        """There is a talk path over `line`."""

    def speak(self, out: Float) -> None:
        """One block of what it says, into `out` [BLOCK]."""

    def hear(self, block: Int16) -> None:
        """One block of what the line brings."""

    def hear_tone(self, scratch: Float) -> None:
        """One block without a talk path; `scratch` [BLOCK] may be used."""


class FarEcho:
    """What the far end of a line returns of the box's sound, some tens of milliseconds later."""

    def __init__(self, config: LineConfig) -> None:
        self._gain = np.float32(gain_of(config.far_echo_db))
        self._past = np.zeros(samples_of_ms(config.far_echo_ms), dtype=np.float32)

    def add(self, far: Float) -> None:
        """Mix the echo for the next block into `far` [BLOCK]."""
        far += self._gain * self._past[:BLOCK]

    def take(self, to_far: Int16) -> None:
        """Remember what arrived at the far end in this block."""
        self._past[:-BLOCK] = self._past[BLOCK:]
        self._past[-BLOCK:] = to_far


class LineControl:
    """What can be done to a line from outside: the cord, and its impairments."""

    def __init__(self, office: Office, line: ExchangeLine, sound: SoundPath) -> None:
        self._office = office
        self._line = line
        self._sound = sound

    @property
    def state(self) -> str:
        """What the exchange is doing with the line, a value of `LineState`."""
        return self._line.state.value

    @property
    def dialled(self) -> str:
        """Digits the exchange has understood since the last dial tone."""
        return self._line.dialled

    @property
    def flashes(self) -> int:
        """Hook flashes the exchange has seen since the line was taken."""
        return self._line.flashes

    @property
    def config(self) -> LineConfig:
        """Present settings."""
        return self._line.config

    def unplug(self) -> None:
        """Pull the cord out of the box. Idempotent."""
        self._line.port.plug(False, self._office.clock)

    def plug(self) -> None:
        """Push it back in. Idempotent."""
        self._line.port.plug(True, self._office.clock)

    def lift_parallel(self) -> None:
        """Lift another telephone that hangs on the same line (before the box). Idempotent."""
        self._line.port.lift_parallel(True, self._office.clock)

    def hang_up_parallel(self) -> None:
        """Hang it up. Idempotent."""
        self._line.port.lift_parallel(False, self._office.clock)

    def break_contact(self) -> None:
        """Let the contact of the cord corrode: voltage, but no current. Idempotent."""
        self._line.port.break_contact(True, self._office.clock)

    def mend_contact(self) -> None:
        """Clean the contact. Idempotent."""
        self._line.port.break_contact(False, self._office.clock)

    def change(self, **settings: float | int | str | bool) -> None:
        """Change settings of `LineConfig` from now on. OfficeError names what cannot be."""
        try:
            config = replace(self._line.config, **settings)  # type: ignore[arg-type]
        except TypeError:
            raise OfficeError(f"line {self._line.index}: unknown setting among {sorted(settings)}") from None
        config.check(f"line {self._line.index}")
        self._line.config = config
        self._sound.set_impairments(self._line.index, config)
        self._office.echo_changed(self._line.index)


class Office:
    """Exchange, lines, outside telephones and telephone sets, moved on one block at a time.

    Ports: lines 0..L-1, telephones L..L+P-1. All actors act "now": at the start of the
    next block. The same seed and the same calls at the same clocks give the same samples
    and events, bit for bit.
    """

    def __init__(self, config: OfficeConfig) -> None:
        self.config = config
        self._world = World(config)
        self._sound = SoundPath(config.lines, config.phones, config.seed, config.profile.hum_hz)
        lines = len(config.lines)
        self.fxo = [FxoPort(self._world, i) for i in range(lines)]
        self.fxs = [FxsPort(self._world, lines + i, phone) for i, phone in enumerate(config.phones)]
        self._lines = [
            ExchangeLine(self._world, i, line, self.fxo[i], self) for i, line in enumerate(config.lines)
        ]
        self._controls = [LineControl(self, line, self._sound) for line in self._lines]
        self._phones = [TelephoneSet(self._world, lines + i, port) for i, port in enumerate(self.fxs)]
        ports = lines + len(config.phones)
        self._far: Float = np.zeros((ports, BLOCK), dtype=np.float32)
        self._scratch: Float = np.zeros(BLOCK, dtype=np.float32)
        self._by_name: dict[str, OutsidePhone] = {}
        self._by_number: dict[str, OutsidePhone] = {}
        self._numbers = {line.number: i for i, line in enumerate(config.lines) if line.number}
        self._awake: dict[Voice, None] = {}
        """Who hears something; a dictionary for its order, which must not depend on addresses."""
        self._active_lines: list[ExchangeLine] = []
        self._active_phones: list[TelephoneSet] = []
        self._place = [-1] * ports
        self._late_clicks: list[tuple[int, Player]] = []
        """Clicks of the last block, whose end may lie in this one."""
        self._far_echo: dict[int, FarEcho] = {}
        for i in range(lines):
            self.echo_changed(i)

    # -------------------------------------------------------------- actors
    @property
    def clock(self) -> int:
        """Samples since the office was opened."""
        return self._world.clock

    @property
    def lines(self) -> int:
        """Number of lines."""
        return len(self._lines)

    @property
    def phones(self) -> Sequence[TelephoneSet]:
        """All telephone sets, in port order."""
        return self._phones

    def outside(self, name_or_number: str, number: str = "") -> OutsidePhone:
        """The outside telephone with this name or number; made when there is none.

        A text of digits is a number, anything else a name. number: the number of a named
        telephone, needed only if the box is to call it.
        """
        if not name_or_number:
            raise OfficeError("an outside telephone needs a name or a number")
        known = self._by_number.get(name_or_number) or self._by_name.get(name_or_number)
        if known is not None:
            if number and known.number != number:
                raise OfficeError(f"{name_or_number} has the number {known.number or '(none)'}, not {number}")
            return known
        if _is_number(name_or_number):
            return self._new_outside("", name_or_number)
        if number and not _is_number(number):
            raise OfficeError(f"number is {number!r}; write digits only")
        return self._new_outside(name_or_number, number)

    def subscriber(
        self,
        number: str,
        behaviour: str = "manual",
        answer_after_s: float = 3.0,
        say: Sequence[NDArray[np.int16]] | NDArray[np.int16] = (),
        press: str = "",
        hang_up_after_s: float | None = None,
        name: str = "",
    ) -> OutsidePhone:
        """Say how `number` behaves when the box calls it.

        behaviour: "answer" (by itself after `answer_after_s`, then says, presses and hangs
        up as given), "manual" (rings until `.answer()`), "no_answer", "busy", "congestion"
        or "unobtainable".
        """
        if behaviour not in BEHAVIOURS:
            raise OfficeError(f"behaviour is {behaviour!r}; choose one of {', '.join(BEHAVIOURS)}")
        if not _is_number(number):
            raise OfficeError(f"number is {number!r}; write digits only")
        phone = self._by_number.get(number) or self._new_outside(name, number)
        phone.behaviour = behaviour
        sounds = (say,) if isinstance(say, np.ndarray) else tuple(say)
        phone.script = Script(answer_after_s, sounds, press, hang_up_after_s)
        return phone

    def phone(self, port_index: int) -> TelephoneSet:
        """The telephone set on a port of the card."""
        position = port_index - len(self._lines)
        if not 0 <= position < len(self._phones):
            first, end = len(self._lines), len(self._lines) + len(self._phones)
            raise OfficeError(f"port {port_index} is no telephone: telephones are {first} to {end - 1}")
        return self._phones[position]

    def line(self, index: int) -> LineControl:
        """The cord and impairments of a line."""
        self.line_at(index)
        return self._controls[index]

    def vanish(self, port_index: int, reason: str = "the card was pulled out") -> None:
        """Take a port away. Idempotent."""
        self._port(port_index).vanish(self.clock, reason)

    def restore(self, port_index: int) -> None:
        """Bring a port back. Idempotent."""
        self._port(port_index).restore(self.clock)

    # ---------------------------------------------------- for parts of the office
    def line_at(self, index: int) -> ExchangeLine:
        """The exchange's view of a line."""
        if not 0 <= index < len(self._lines):
            raise OfficeError(f"line {index} does not exist: lines are 0 to {len(self._lines) - 1}")
        return self._lines[index]

    def find(self, number: str) -> Party | None:
        """Who has this number: an outside telephone, or one of the box's own lines."""
        if number in self._numbers:
            return End(self, self._lines[self._numbers[number]])
        return self._by_number.get(number)

    def is_whole(self, digits: str) -> bool:
        """Somebody has this number and nobody has a longer one that begins so."""
        taken = [*self._by_number, *self._numbers]
        return digits in taken and not any(n != digits and n.startswith(digits) for n in taken)

    def awake(self, voice: Voice) -> None:
        """This party hears something from now on."""
        self._awake[voice] = None

    def asleep(self, voice: Voice) -> None:
        """This party is idle."""
        self._awake.pop(voice, None)

    def echo_changed(self, index: int) -> None:
        """Settings of the far echo of a line may be new."""
        config = self._lines[index].config
        self._far_echo.pop(index, None)
        if config.far_echo_db < 0:
            self._far_echo[index] = FarEcho(config)

    def refuse(self, failure: CommandFailed) -> None:
        """Tell the box that a command was not for this kind of port."""
        self._world.emit(failure)

    def _new_outside(self, name: str, number: str) -> OutsidePhone:
        for text, known in ((name, self._by_name), (number, self._by_number)):
            if text in known:
                raise OfficeError(f"there is already an outside telephone {text!r}")
        if number in self._numbers:
            raise OfficeError(f"{number} is the number of line {self._numbers[number]}, not of a caller")
        phone = OutsidePhone(self._world, self, name, number)
        if name:
            self._by_name[name] = phone
        if number:
            self._by_number[number] = phone
        return phone

    def _port(self, index: int) -> FxoPort | FxsPort:
        ports: list[FxoPort | FxsPort] = [*self.fxo, *self.fxs]
        if not 0 <= index < len(ports):
            raise OfficeError(f"port {index} does not exist: ports are 0 to {len(ports) - 1}")
        return ports[index]

    # ----------------------------------------------------------------- tick
    def tick(self, out: Int16) -> Tick:
        """Move on by one block. out: int16 [ports, BLOCK], what the box plays in it."""
        world = self._world
        clock = world.clock
        world.schedule.run(clock + BLOCK)
        if world.active_changed:
            self._find_active()
        far = self._far
        place = self._place
        for line in self._active_lines:
            row = far[line.index]
            if line.source is not None:
                line.send(row)
            else:
                row[:] = 0.0
        for voice in self._awake:
            if voice.talking and voice.line is not None:
                index = voice.line.index
                voice.speak(far[index] if place[index] >= 0 else self._scratch)
        for index, echo in self._far_echo.items():
            if place[index] >= 0 and self._lines[index].state is LineState.TALKING:
                echo.add(far[index])
        for telephone in self._active_phones:
            telephone.speak(far[telephone.index])

        rows, to_box, to_far = self._sound.carry(clock, far, out)

        audio = np.zeros(out.shape, dtype=np.int16)
        if rows.size:
            audio[rows] = to_box
        for port, click in self._late_clicks + (new := world.take_clicks()):
            if place[port] >= 0:
                click.fill(self._scratch, clock)
                audio[port] = to_int16(audio[port] + self._scratch)
        self._late_clicks = new
        for telephone in self._active_phones:
            telephone.hear(to_far[place[telephone.index]])
        for voice in self._awake:
            if voice.talking and voice.line is not None:
                at = place[voice.line.index]
                voice.hear(to_far[at] if at >= 0 else _SILENCE)
            else:
                voice.hear_tone(self._scratch)
        for index, echo in self._far_echo.items():
            echo.take(to_far[place[index]] if place[index] >= 0 else _SILENCE)
        for line in self._active_lines:
            if line.collecting:
                line.hear_digits(to_far[place[line.index]], clock + BLOCK)
        events = world.take_events()
        world.clock = clock + BLOCK
        return Tick(clock, audio, events)

    def _find_active(self) -> None:
        self._world.active_changed = False
        for telephone in self._active_phones:
            if not telephone.sounding:
                telephone.deaf()
        self._active_lines = [line for line in self._lines if line.sounding]
        self._active_phones = [phone for phone in self._phones if phone.sounding]
        rows = [line.index for line in self._active_lines] + [phone.index for phone in self._active_phones]
        self._place = [-1] * len(self._place)
        for at, row in enumerate(rows):
            self._place[row] = at
        self._sound.set_active(rows)
