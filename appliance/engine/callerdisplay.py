"""Tells telephones who calls: the caller display of a set that is on hook.

    after the first ring    ▄▄bell▄▄ ·0.6 s· ░░message░░ ········ ▄▄bell▄▄
    before the ring         ⇄ ·0.3 s· ░░message░░ ·0.4 s· ▄▄bell▄▄

The card opens the speech path for the message (`OnHookTransfer`). Lifting the handset, the end of the
call and the loss of the port end it at once: nobody hears data in their ear, and a message that
broke off is shown by no set.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from appliance.engine.ports import Port
from board import api
from dsp.callerid_frames import Reason
from dsp.callerid_send import SendPlan, display_samples, send_plan

log = logging.getLogger(__name__)

RATE_HZ = api.SAMPLE_RATE_HZ
AFTER_BURST_SAMPLES = RATE_HZ * 6 // 10
"""From the end of the burst to the message (GR-30: 0.5 to 1.5 s), the card's own delay not counted."""
AFTER_REVERSAL_SAMPLES = RATE_HZ * 3 // 10
BEFORE_RING_SAMPLES = RATE_HZ * 4 // 10
OPEN_BEFORE_SAMPLES = RATE_HZ // 10
OPEN_AFTER_SAMPLES = RATE_HZ * 4 // 10
"""The path is open for so long before and after the message: sound reaches a set up to 0.2 s late."""

Send = Callable[[Port, api.Command], int | None]
"""Gives a command to a port's card; its id, None when the card is lost."""


@dataclass(frozen=True)
class Caller:
    """Who calls. presentation: "shown", "withheld", "unavailable"."""

    number: str
    name: str = ""
    presentation: str = "shown"


@dataclass
class _Message:
    port: Port
    samples: NDArray[np.float32]
    cadence_ms: tuple[int, ...]
    begin_at: int | None = None
    """Engine clock of its first sample; None until the card has said that it rings."""
    ring_command: int | None = None
    ring_at: int | None = None
    """The bell is still to be rung, then."""
    opened: bool = False
    reversed_: bool = False


class CallerDisplays:
    """Messages on their way to telephones. The tick thread alone uses it."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._messages: dict[int, _Message] = {}

    def ring(
        self, port: Port, who: Caller, country: str, cadence_ms: tuple[int, ...], unix_s: float, now: int
    ) -> None:
        """Ring a telephone and tell it who calls, where its port can. now: engine clock, samples."""
        self.end(port)
        plan = send_plan(country)
        message = self._message(port, who, plan, cadence_ms, unix_s)
        if message is None:
            self._send(port, api.StartRinging(cadence_ms))
            return
        self._messages[port.row] = message
        if not plan.before_ring:
            message.ring_command = self._send(port, api.StartRinging(cadence_ms))
            return
        if plan.reversal and "polarity" in port.info.can:
            message.reversed_ = True
            self._send(port, api.SetPolarity(True))
        message.begin_at = now + AFTER_REVERSAL_SAMPLES
        message.ring_at = message.begin_at + len(message.samples) + BEFORE_RING_SAMPLES

    def _message(
        self, port: Port, who: Caller, plan: SendPlan, cadence_ms: tuple[int, ...], unix_s: float
    ) -> _Message | None:
        """None when the port cannot send it, or ringing has no pause that is long enough."""
        if "onhook-audio" not in port.info.can or port.in_use:
            return None
        stamp = time.strftime("%m%d%H%M", time.localtime(unix_s))
        reason: Reason = "withheld" if who.presentation == "withheld" else "unavailable"
        number, name = (who.number, who.name) if who.presentation == "shown" else ("", "")
        message = _Message(port, display_samples(plan, number, name, stamp, reason), cadence_ms)
        if not plan.before_ring and _first_pause(cadence_ms, len(message.samples)) is None:
            log.info("port %s: ringing has no pause for the caller's number", port.name)
            return None
        return message

    def note(self, port: Port, event: api.PortEvent, at: int) -> None:
        """Something has happened at the port; at: engine clock."""
        message = self._messages.get(port.row)
        if message is None:
            return
        if isinstance(event, api.OffHook | api.PortGone | api.CommandFailed):
            if not isinstance(event, api.CommandFailed) or event.command_id == message.ring_command:
                self.end(port)
        elif isinstance(event, api.CommandDone) and event.command_id == message.ring_command:
            burst = _first_pause(message.cadence_ms, len(message.samples))
            assert burst is not None
            message.begin_at = at + burst + AFTER_BURST_SAMPLES

    @property
    def pending(self) -> bool:
        """A telephone is still to be told, or to be rung after it."""
        return bool(self._messages)

    def end(self, port: Port) -> None:
        """Nobody is to be told any more: lifted, not called any more, gone. Idempotent."""
        message = self._messages.pop(port.row, None)
        if message is not None and message.reversed_:
            self._send(port, api.SetPolarity(False))

    def add_to(self, said: NDArray[np.float32], now: int) -> None:
        """Add the messages to one block, float32 [rows, 160]; now: engine clock of its first sample."""
        for message in list(self._messages.values()):
            if message.begin_at is not None:
                self._go_on(message, message.begin_at, said[message.port.row], now)

    def _go_on(self, message: _Message, begin_at: int, said: NDArray[np.float32], now: int) -> None:
        port = message.port
        length = len(message.samples)
        if not message.opened and now >= begin_at - OPEN_BEFORE_SAMPLES:
            message.opened = True
            left = begin_at + length + OPEN_AFTER_SAMPLES - now
            self._send(port, api.OnHookTransfer(round(left * 1000 / RATE_HZ)))
        first, end = max(begin_at, now), min(begin_at + length, now + len(said))
        if first < end:
            said[first - now : end - now] += message.samples[first - begin_at : end - begin_at]
        if message.ring_at is None:
            if now >= begin_at + length:
                self.end(port)
        elif now >= message.ring_at:
            self.end(port)
            self._send(port, api.StartRinging(message.cadence_ms))


def _first_pause(cadence_ms: tuple[int, ...], samples: int) -> int | None:
    """Samples from the start of ringing to the first pause that a message fits into; None for none."""
    needed = AFTER_BURST_SAMPLES + samples + OPEN_AFTER_SAMPLES
    passed = 0
    for on_ms, off_ms in zip(cadence_ms[::2], cadence_ms[1::2], strict=True):
        passed += on_ms * RATE_HZ // 1000
        if off_ms * RATE_HZ // 1000 >= needed:
            return passed
        passed += off_ms * RATE_HZ // 1000
    return None
