"""One cellular module: set up, registered, calls, short messages. Holds no port and no clock.

    SETUP ─► READY ──► calls: none ─ RING ─► incoming ─ ATA ─► connected ─► none
      ▲        │                └── ATD ─► dialling ─► alerting ─► connected ─┘
      │        └─ SIM or network missing: the port is gone, with the reason, until they are back
      └── RDY (restarted by itself), or no answer to three commands: +CFUN=1,1 and the port opened anew

What a module says of a call is a hint that may come late or never; while there is a
call AT+CLCC is asked every two seconds, and what it lists counts.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

from board.api import (
    CallerIdReported,
    CallStateChanged,
    Command,
    CommandDone,
    CommandFailed,
    DialNumber,
    KeyReported,
    LineMeasure,
    PortEvent,
    RadioChanged,
    RadioState,
    Samples,
    SendKeys,
    SendSms,
    SetHook,
    SmsStored,
)
from board.atcard import Rings
from board.atline import DIAL_FINALS, ESC, QUIET_S, AtLine, Query, Result
from board.cellular import signals
from board.cellular.messages import Messages
from board.cellular.profiles import PROFILES, SUPPORTED, Profile, detect
from board.cellular.signals import ALERTING, CONNECTED, DIALLING, ENDED, INCOMING
from board.elastic import LateSpeech, SampleQueue

log = logging.getLogger(__name__)

NONE = ""
ANSWERING = "answering"
LEAVING = "leaving"
"""We have hung up, and the network does not know yet."""
SETUP_TRIES = 3
SETUP_PAUSE_S = 5.0
POLL_RADIO_S = 10.0
POLL_CALL_S = 2.0
UNLISTED_POLLS = 2
"""A call that is not in the list so many times in a row is over, whatever was not said."""
SIGNAL_STEP_DB = 6
RING_GAP_S = 5.0
"""Between bursts, where the module tells a call once and does not ring."""
MUTE_S = 5.0
"""A connected call without a sample for so long is the one-way-sound fault of some firmware."""
MOST_RESETS = 3
"""Restarts of the module by us without it having become ready since."""
RESET = b"AT+CFUN=1,1\r"
NUMBER = frozenset("0123456789*#+")

_TROUBLE = {
    "absent": "there is no SIM card in the module: put one in",
    "pin": "the SIM card needs its PIN: add pin=… to the card's address, or switch the PIN off",
    "puk": "the SIM card is locked and needs its PUK: unlock it in a telephone",
    "failed": "the SIM card does not work: try another one",
    "denied": "the network refuses this SIM card",
    "off": "the module does not look for a network",
}


class CellularMachine:
    """The module behind one AT port."""

    def __init__(self, profile: str = "", sound: str = "serial", pin: str = "") -> None:
        """profile: a name of `PROFILES`, or "" to ask. sound: "serial" or "usb". pin: of the SIM card."""
        self._fixed = PROFILES[profile] if profile else None
        self.profile: Profile = self._fixed or PROFILES["quectel"]
        self._sound = sound
        self._pin = pin
        self._pin_refused = False
        self.trouble = ""
        self.lost_contact = False
        self.events: deque[PortEvent] = deque()
        self.received = SampleQueue()
        self.said: deque[bytes] = deque(maxlen=8)
        """Blocks for the sound wire."""
        self.make = ""
        self.resets = 0
        self.call = NONE
        self.radio = RadioState()
        self.messages = Messages(self)
        self.line = AtLine(signals.URCS, self._urc, signals.TWO_LINE_URCS)
        self._open_commands: list[int] = []
        """Ids of commands that have been sent and not answered."""
        self._set_up = False
        self._network = ""
        self._ask_sim = False
        self._steps: deque[tuple[Query, bool, Callable[[Result], None] | None]] = deque()
        self._setup_failures = 0
        self._resume_at_s: float | None = None
        self._preface = b""
        self._poll_radio_at_s = 0.0
        self._poll_call_at_s = 0.0
        self._unlisted = 0
        self._number = ""
        self._told_number = False
        self._ours = False
        """We have dialled this call."""
        self._sound_flows = False
        self._sound_at_s: float | None = None
        self.mute = False
        """The last call had no sound: the module is restarted when it is over."""
        self._keys_on = False
        self._speech = LateSpeech()
        self._rings = Rings(self.events)
        self._next_ring_s = 0.0
        self._now_s = 0.0
        self._told_signal: int | None = None

    # --------------------------------------------------------------- Machine
    @property
    def ready(self) -> bool:
        """Set up, SIM ready, registered."""
        return self._set_up and self.radio.sim == "ready" and self.radio.registration in ("home", "roaming")

    @property
    def streaming(self) -> bool:
        """Sound flows."""
        return self._sound_flows

    @property
    def can(self) -> frozenset[str]:
        """What this module does by itself."""
        return frozenset(
            {"callerid", "call-state", "dials", "sms", "radio"} | ({"keys"} if self._keys_on else set())
        )

    def start(self, now_s: float) -> None:
        """The port is open: set the module up."""
        self._now_s = now_s
        self.lost_contact = False
        self.trouble = ""
        self._setup_failures = 0
        self._begin_setup()

    def stop(self, reason: str) -> None:
        """The port is closed."""
        self._go_down(reason)
        self.lost_contact = False
        self.trouble = reason

    def feed(self, data: bytes, now_s: float) -> None:
        """Text from the module."""
        self._now_s = now_s
        self.line.feed(data, now_s)

    def tick(self, now_s: float) -> None:
        """Let time pass."""
        self._now_s = now_s
        self.line.tick(now_s)
        if self.line.hung and not self.lost_contact:
            self._reset("the module does not answer")
            return
        if self._resume_at_s is not None and now_s >= self._resume_at_s:
            self._resume_at_s = None
            self._begin_setup()
        if self.call == INCOMING and now_s >= self._next_ring_s:
            self._ring()
        self._rings.tick(now_s)
        if not self._set_up:
            return
        self.messages.tick(now_s)
        if self.call != NONE and now_s >= self._poll_call_at_s and self.line.idle:
            self._poll_call()
        if now_s >= self._poll_radio_at_s and self.line.idle and self.call == NONE:
            self._poll_radio()
        if self.call == CONNECTED and self._sound_at_s is not None and now_s - self._sound_at_s > MUTE_S:
            self._sound_at_s = None
            self.mute = True
            log.warning("cellular: a call without sound; the module is restarted when it is over")

    def outgoing(self, now_s: float) -> bytes:
        """Text for the module."""
        preface, self._preface = self._preface, b""
        return preface + self.line.outgoing(now_s)

    def heard(self, samples: Samples, now_s: float) -> None:
        """Sound from the module, in any pieces."""
        self._sound_at_s = now_s if self._sound_at_s is not None else None
        self.received.put(samples)

    def say(self, samples: Samples) -> None:
        """One block for the far end."""
        if self._sound_flows:
            self._speech.put(samples)
            self.said.append(self._speech.take().astype("<i2").tobytes())
        elif self.call == ANSWERING:
            self._speech.put(samples)

    def farewell(self) -> bytes:
        """Hang up."""
        return f"{self.profile.hang_up[0]}\r".encode() if self.call != NONE else b""

    def measure(self) -> LineMeasure:
        """Hook and network."""
        return LineMeasure(off_hook=self.call not in (NONE, INCOMING), radio=self.radio)

    def describe(self) -> str:
        """What the module says of itself."""
        return f"{self.profile.name} {self.make}".strip()

    # ---------------------------------------------------------------- set-up
    def _begin_setup(self) -> None:
        self._set_up = False
        self._keys_on = False
        self.radio = RadioState()
        self.line.drop_all()
        # A message that a crash has left half sent would swallow the first command.
        self._preface = ESC + b"\r"
        self.line.keep_quiet(self._now_s + QUIET_S)
        self.make = ""
        self._steps.clear()
        self._step("AT", needed=True)
        self._step("ATE0", needed=True)
        self._step("AT+CMEE=1")
        self._steps.append((Query("AT+CGMI", collect=True), False, self._note_make))
        self._steps.append((Query("ATI", collect=True), False, self._note_make))
        self._steps.append((Query("AT+CPIN?", 10.0, "+CPIN:"), False, self._note_sim_at_start))
        self._run_step()

    def _step(self, text: str, needed: bool = False, timeout_s: float = 5.0, prefix: str = "") -> None:
        self._steps.append((Query(text, timeout_s, prefix), needed, None))

    def _run_step(self) -> None:
        if not self._steps:
            self._set_up = True
            self._setup_failures = 0
            self._poll_radio_at_s = self._now_s
            self.messages.start()
            self._poll_radio()
            return
        query, needed, use = self._steps.popleft()

        def then(result: Result) -> None:
            if not result.ok and needed:
                self._fail(f"the module cannot be set up: {result.reason}")
                return
            if use is not None:
                use(result)
            if self._resume_at_s is None:
                self._run_step()

        self.line.send(query, then)

    def _note_make(self, result: Result) -> None:
        self.make = " ".join(filter(None, (self.make, *result.lines)))
        if result.query.text != "ATI":
            return
        found = self._fixed or detect(self.make)
        if found is None:
            self._fail(
                f"unknown module {self.make or '(it says nothing)'}; there are {SUPPORTED}: add profile=…"
            )
            return
        self.profile = found
        if self._sound not in found.sound:
            self._fail(f"{found.name} modules give no sound over {self._sound}: change audio= in the address")

    def _note_sim_at_start(self, result: Result) -> None:
        self._note_sim(result)
        if self.radio.sim == "pin" and self._pin and not self._pin_refused:
            # Once only: three wrong ones lock the card.
            self._steps.append((Query(f'AT+CPIN="{self._pin}"', 10.0), False, self._note_pin))
        for text in self.profile.sound[self._sound]:
            self._step(text, needed=True)
        for text in ("AT+CLIP=1", "AT+CREG=2", "AT+CEREG=2", *self.profile.setup):
            self._step(text)
        for text in self.messages.setup:
            self._step(text)
        if self.profile.keys_on:
            self._steps.append((Query(self.profile.keys_on), False, self._note_keys))

    def _note_pin(self, result: Result) -> None:
        if result.ok:
            self.radio = RadioState("ready")
            return
        self._pin_refused = True
        self.radio = RadioState("pin")
        log.error("cellular: the SIM card refuses its PIN; it is not tried again")

    def _note_keys(self, result: Result) -> None:
        self._keys_on = result.ok

    def _fail(self, why: str) -> None:
        log.warning("cellular: %s", why)
        self._go_down(why)
        self.trouble = why
        self._setup_failures += 1
        if self._setup_failures > SETUP_TRIES:
            self._reset(why)
        else:
            self._resume_at_s = self._now_s + SETUP_PAUSE_S

    def _reset(self, why: str) -> None:
        """Restart the module, then reach it anew; not for ever."""
        self._go_down(why)
        self.trouble = why
        self.lost_contact = True
        self.line.unanswered = 0
        self.mute = False
        if self.resets < MOST_RESETS:
            self.resets += 1
            self._preface = ESC + b"\r" + RESET
            log.warning("cellular: %s; restarting it (%d of %d)", why, self.resets, MOST_RESETS)

    def _go_down(self, why: str) -> None:
        was, self._set_up = self.call, False
        self._resume_at_s = None
        self._steps.clear()
        self.messages.stop(why)
        self.line.drop_all()
        self._preface = b""
        for number in self._open_commands:
            self.refuse(number, why)
        self._open_commands.clear()
        self._clear_call()
        if was not in (NONE, INCOMING):
            self.events.append(CallStateChanged(0, 0, ENDED))

    # -------------------------------------------------------------- commands
    def command(self, number: int, command: Command, now_s: float) -> None:
        """Carry out a command."""
        self._now_s = now_s
        match command:
            case SetHook(True):
                self._answer(number)
            case SetHook(False):
                self._hang_up(number)
            case DialNumber(to):
                self._dial(number, to)
            case SendKeys(keys):
                self._send_keys(number, keys)
            case SendSms():
                self.messages.send(number, command)
            case SmsStored(receipt):
                self.messages.stored(receipt)
                self._done(number)
            case _:
                self.refuse(number, f"{type(command).__name__} is not for cellular modules")

    def refuse(self, number: int, why: str) -> None:
        """A command did not take effect."""
        self.events.append(CommandFailed(0, 0, number, why))

    def _ask(self, number: int, query: Query, then: Callable[[Result], None]) -> None:
        """Send the query of a command; the command fails when the module goes down before the answer."""
        self._open_commands.append(number)

        def answered(result: Result) -> None:
            self._open_commands.remove(number)
            then(result)

        self.line.send(query, answered)

    def _done(self, number: int) -> None:
        self.events.append(CommandDone(0, 0, number))

    def _answer(self, number: int) -> None:
        if self.call != INCOMING:
            if self.call == NONE:
                self.refuse(number, "nobody is calling any more")
            else:
                self._done(number)
            return
        self.call = ANSWERING
        self._rings.stop()
        self._speech.clear()

        def then(result: Result) -> None:
            if result.ok:
                self._done(number)
                if self.call == ANSWERING:
                    self._connected()
                return
            self.refuse(number, f"the call could not be answered: {result.reason}")
            self._over("")

        self._ask(number, Query("ATA", 20.0, finals=DIAL_FINALS), then)

    def _hang_up(self, number: int) -> None:
        if self.call == NONE:
            self._done(number)
            return
        ways = deque(self.profile.hang_up)
        self._clear_call(keep=True)

        def then(result: Result) -> None:
            if result.ok or result.status in DIAL_FINALS:
                self._clear_call()
                self._done(number)
                self._after_call()
            elif ways:
                self._ask(number, Query(ways.popleft(), 10.0, finals=DIAL_FINALS), then)
            else:
                self.refuse(number, f"the call could not be ended: {result.reason}")
                self._reset("the module does not hang up")

        self._ask(number, Query(ways.popleft(), 10.0, finals=DIAL_FINALS), then)

    def _dial(self, number: int, to: str) -> None:
        if self.call == INCOMING:
            self.refuse(number, "a call is coming in on this line")
        elif self.call != NONE:
            self.refuse(number, "there is a call on this line already")
        elif not to or set(to) - NUMBER or len(to) > 40:
            self.refuse(number, f"{to!r} cannot be dialled")
        else:
            self.call, self._ours = DIALLING, True
            self._poll_call_at_s = self._now_s + POLL_CALL_S
            self._unlisted = 0
            self._speech.clear()

            def then(result: Result) -> None:
                if result.ok:
                    self._done(number)
                    self.events.append(CallStateChanged(0, 0, DIALLING))
                    if self.profile.early_sound and self.call in (DIALLING, ALERTING):
                        self._open_sound()
                elif result.status in DIAL_FINALS:
                    self._done(number)
                    sign = signals.call_sign(result.status)
                    self._over(sign.cause if sign is not None else "")
                else:
                    self.refuse(number, f"the number was not dialled: {result.reason}")
                    self._clear_call()

            self._ask(number, Query(f"ATD{to};", 30.0, finals=DIAL_FINALS), then)

    def _send_keys(self, number: int, keys: str) -> None:
        if self.call != CONNECTED:
            self.refuse(number, "there is no call to send keys to")
            return
        if not keys or set(keys.upper()) - set("0123456789*#ABCD"):
            self.refuse(number, f"{keys!r} are no keys")
            return
        todo = deque(keys.upper())

        def then(result: Result) -> None:
            if not result.ok:
                self.refuse(number, f"the keys were not sent: {result.reason}")
            elif todo:
                self._ask(number, Query(self.profile.send_key.format(key=todo.popleft())), then)
            else:
                self._done(number)

        self._ask(number, Query(self.profile.send_key.format(key=todo.popleft())), then)

    # ------------------------------------------------------------------ call
    def _sign(self, sign: signals.CallSign, polled: bool = False) -> None:
        """What the module says about the call; polled: because it was asked."""
        if sign.state == INCOMING and self.call == NONE and self._set_up:
            self.call, self._ours = INCOMING, False
            self._poll_call_at_s = self._now_s + POLL_CALL_S
            self._unlisted = 0
            self._ring()
        elif sign.state == INCOMING and self.call == INCOMING and not polled:
            self._ring()
        elif sign.state == ALERTING and self.call == DIALLING:
            self.call = ALERTING
            self.events.append(CallStateChanged(0, 0, ALERTING))
        elif sign.state == CONNECTED and self.call in (DIALLING, ALERTING):
            self._connected()
        elif sign.state == ENDED and self.call not in (NONE, LEAVING):
            self._over(sign.cause)
        if not self._ours and self.call in (INCOMING, ANSWERING):
            self._tell_caller(sign)

    def _tell_caller(self, sign: signals.CallSign) -> None:
        presentation = sign.presentation or ("shown" if sign.number else "")
        # A reason is told at once; a number that comes after it still counts.
        if not presentation or self._told_number or (not sign.number and self._number == presentation):
            return
        self._told_number = bool(sign.number)
        self._number = sign.number or presentation
        self.events.append(CallerIdReported(0, 0, sign.number, "", presentation))

    def _ring(self) -> None:
        self._next_ring_s = self._now_s + RING_GAP_S
        self._rings.burst(self._now_s)

    def _connected(self) -> None:
        ours = self._ours
        self.call = CONNECTED
        self._open_sound()
        self._sound_at_s = self._now_s
        if ours:
            self.events.append(CallStateChanged(0, 0, CONNECTED))

    def _open_sound(self) -> None:
        if self._sound_flows:
            return
        for text in self.profile.sound_on:
            self.line.send(Query(text), self._sound_opened)
        # What the module has piled up before belongs to nobody (2 to 3 s of it otherwise stay as delay).
        self.received.clear()
        self.said.clear()
        self._sound_flows = True
        self._sound_at_s = self._now_s

    def _sound_opened(self, result: Result) -> None:
        if not result.ok:
            log.warning("cellular: the sound was not switched on: %s", result.reason)

    def _over(self, cause: str) -> None:
        """The call has ended, not by us."""
        rang = self.call == INCOMING
        self._clear_call()
        self.events.append(CallStateChanged(0, 0, ENDED, "signalled", cause))
        if rang:
            self._rings.stop()
        self._after_call()

    def _clear_call(self, keep: bool = False) -> None:
        """Forget the call; keep: the network has not been told yet, so it is not free for another."""
        if self._sound_flows:
            for text in self.profile.sound_off:
                self.line.send(Query(text))
        self._sound_flows = False
        self._sound_at_s = None
        self.said.clear()
        self._rings.stop()
        self._number, self._told_number = "", False
        self.call = LEAVING if keep else NONE
        self._ours = False
        self._unlisted = 0

    def _after_call(self) -> None:
        if self.mute:
            self._reset("the module gave no sound")

    def _poll_call(self) -> None:
        self._poll_call_at_s = self._now_s + POLL_CALL_S

        def then(result: Result) -> None:
            if not result.ok or self.call in (NONE, LEAVING):
                return
            signs = [sign for line in result.lines if (sign := signals.call_sign(line)) is not None]
            self._unlisted = 0 if signs else self._unlisted + 1
            if self._unlisted >= UNLISTED_POLLS:
                self._over("")
            elif signs:
                self._sign(signs[0], polled=True)

        self.line.send(Query("AT+CLCC", 3.0, "+CLCC:", empty_ok=True), then)

    # ----------------------------------------------------------------- radio
    def _poll_radio(self) -> None:
        self._poll_radio_at_s = self._now_s + POLL_RADIO_S
        if self._ask_sim or self.radio.sim != "ready":
            self._ask_sim = False
            self.line.send(Query("AT+CPIN?", 10.0, "+CPIN:"), self._note_sim)
        takes = signals.is_registration_answer
        for text, prefix in (("AT+CREG?", "+CREG:"), ("AT+CEREG?", "+CEREG:")):
            self.line.send(Query(text, 5.0, prefix, takes=takes), self._note_registration)
        self.line.send(Query("AT+CSQ", 5.0, "+CSQ:"), self._note_signal)

    def _note_sim(self, result: Result) -> None:
        line = result.lines[0] if result.lines else result.detail
        state = signals.sim_state(line) if line else ""
        self._tell_radio(RadioState(state, self.radio.registration, self.radio.signal_dbm))

    def _note_registration(self, result: Result) -> None:
        if result.query.prefix == "+CREG:":
            self._network = ""
        for line in result.lines:
            self._network = _better(self._network, signals.registration(line))
        if result.query.prefix == "+CEREG:":
            self._tell_radio(RadioState(self.radio.sim, self._network, self.radio.signal_dbm))

    def _note_signal(self, result: Result) -> None:
        level = signals.signal_dbm(result.lines[0]) if result.lines else None
        self._tell_radio(RadioState(self.radio.sim, self.radio.registration, level))

    def _tell_radio(self, radio: RadioState) -> None:
        before, self.radio = self.radio, radio
        if self.ready:
            self.trouble = ""
            self.resets = 0
        elif self._set_up:
            searching = "no network yet: check the aerial"
            self.trouble = _TROUBLE.get(radio.sim) or _TROUBLE.get(radio.registration) or searching
            if radio.sim == "pin" and self._pin_refused:
                self.trouble = "the SIM card refuses its PIN: correct pin=… (it is not tried again)"
        signal, told = radio.signal_dbm, self._told_signal
        moved = (signal is None) != (told is None) or (
            signal is not None and told is not None and abs(signal - told) >= SIGNAL_STEP_DB
        )
        if (radio.sim, radio.registration) != (before.sim, before.registration) or moved:
            self._told_signal = signal
            self.events.append(RadioChanged(0, 0, radio))

    # ------------------------------------------------------------------ URCs
    def _urc(self, text: str) -> None:
        sign = signals.call_sign(text)
        if sign is not None:
            self._sign(sign)
        elif text.startswith(("+QTONEDET:", "+RXDTMF:")):
            key = signals.key(text)
            if key and self.call == CONNECTED:
                self.events.append(KeyReported(0, 0, key))
        elif text.startswith(("+CREG:", "+CEREG:", "+CPIN:", "+QUSIM:", "+SIMCARD:")):
            # Both kinds of network, SIM and signal belong together: ask for all soon.
            self._ask_sim = self._ask_sim or not text.startswith(("+CREG:", "+CEREG:"))
            self._poll_radio_at_s = min(self._poll_radio_at_s, self._now_s)
        elif text in ("RDY", "POWERED DOWN", "START") and self._set_up:
            self._go_down("the module has restarted")
            self.trouble = "the module has restarted"
            self._resume_at_s = self._now_s + SETUP_PAUSE_S
        else:
            self.messages.urc(text)


def _better(one: str, other: str) -> str:
    """The more useful of two registrations: a module may be known to one network and not to the other."""
    order = ("home", "roaming", "searching", "denied", "off", "")
    return min(one, other, key=order.index)
