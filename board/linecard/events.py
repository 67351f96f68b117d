"""From the words of the card to the events of `board.api`, and from commands to requests."""

from __future__ import annotations

from board import api
from board.linecard import messages as msg

PULSE_BREAK_MS = 60
PULSE_MAKE_MS = 40
PULSE_GAP_MS = 700
"""Dialling by pulses at 10 per second (ITU-T Q.23's predecessor, GB/T 15279: 60/40)."""
MOST_PULSE_DIGITS = 32

_FXO_COMMANDS = (api.SetHook, api.FlashHook, api.DialPulses)
_FXS_COMMANDS = (
    api.StartRinging,
    api.StopRinging,
    api.SetPolarity,
    api.DropBattery,
    api.OnHookTransfer,
    api.MessageLamp,
)


def event_of(message: msg.Message, port: int, clock: int) -> api.PortEvent | None:
    """The event that `message` means; None when it is no event for the layers above."""
    match message:
        case msg.OffHook():
            return api.OffHook(port, clock)
        case msg.OnHook():
            return api.OnHook(port, clock)
        case msg.Flash():
            return api.Flash(port, clock, message.ms)
        case msg.Pulse() if 1 <= message.count <= 10:
            return api.PulseDigit(port, clock, str(message.count % 10))
        case msg.RingOn():
            return api.RingOn(port, clock)
        case msg.RingOff():
            return api.RingOff(port, clock)
        case msg.PolarityIs():
            return api.PolarityReversed(port, clock, bool(message.reversed_))
        case msg.BatteryLost():
            return api.BatteryLost(port, clock)
        case msg.BatteryBack():
            return api.BatteryBack(port, clock)
        case msg.PortGone():
            return api.PortGone(port, clock, message.reason or "the card has switched the port off")
        case msg.PortBack():
            return api.PortBack(port, clock)
    return None


def trouble_of(message: msg.Message) -> str:
    """What a technician should read in the log about this event; "" for nothing."""
    match message:
        case msg.Overcurrent():
            return "too much current: a short circuit or too many telephones on the line"
        case msg.Thermal():
            return f"too hot: {message.celsius} degrees"
        case msg.Power():
            return f"a supply is out of range: {message.millivolts} mV"
        case msg.Parallel():
            return "another telephone on the line is " + ("up" if message.present else "down again")
        case msg.Fault():
            return f"fault {message.code}: {message.text}"
        case msg.ResetReason():
            known = message.reason in set(msg.Reset)
            why = msg.Reset(message.reason).name.lower().replace("_", " ") if known else str(message.reason)
            return f"the card started (reason: {why}) with firmware {message.firmware}"
    return ""


def request_of(command: api.Command, kind: api.PortKind) -> msg.Message:
    """The request that carries out `command`. Raises ValueError with a reason for people."""
    able = _FXO_COMMANDS if kind is api.PortKind.FXO else _FXS_COMMANDS
    if not isinstance(command, able):
        raise ValueError(f"{type(command).__name__} is not for {kind.value} ports of line cards")
    match command:
        case api.SetHook():
            return msg.Hook(msg.HookAction.OFF if command.off_hook else msg.HookAction.ON, 0)
        case api.FlashHook():
            _between("a flash", command.duration_ms, 10, 2000)
            return msg.Hook(msg.HookAction.FLASH, command.duration_ms)
        case api.DialPulses():
            digits = command.digits
            if not (digits.isascii() and digits.isdigit() and len(digits) <= MOST_PULSE_DIGITS):
                raise ValueError(
                    f"{digits!r} cannot be dialled by pulses: use 1 to {MOST_PULSE_DIGITS} digits 0-9"
                )
            return msg.Dial(PULSE_BREAK_MS, PULSE_MAKE_MS, PULSE_GAP_MS, digits)
        case api.StartRinging():
            cadence = command.cadence_ms
            if not 2 <= len(cadence) <= 16 or len(cadence) % 2 or min(cadence) < 20 or max(cadence) > 60000:
                raise ValueError(f"ring cadence {cadence} is not pairs of on, off between 20 and 60000 ms")
            return msg.Ring(0, tuple(cadence))
        case api.StopRinging():
            return msg.Ring(0, ())
        case api.SetPolarity():
            return msg.Polarity(int(command.reversed_))
        case api.DropBattery():
            _between("a battery drop", command.duration_ms, 1, 10000)
            return msg.Linefeed(msg.Feed.OPEN, command.duration_ms)
        case api.MessageLamp():
            return msg.Lamp(int(command.on))
        case api.OnHookTransfer():
            _between("on-hook transfer", command.duration_ms, 1, 10000)
            return msg.Linefeed(msg.Feed.ONHOOK_TRANSFER, command.duration_ms)
    raise ValueError(f"line cards cannot do {type(command).__name__}")


def _between(what: str, ms: int, least: int, most: int) -> None:
    if not least <= ms <= most:
        raise ValueError(f"{what} of {ms} ms is not between {least} and {most} ms")
