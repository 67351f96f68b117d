"""Carries out what the core wants: one function per action, in the order given."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from appliance.core import actions as act
from appliance.core import events as core
from appliance.engine import sounds
from appliance.engine.breaks import Breaks
from appliance.engine.callerdisplay import Caller, CallerDisplays
from appliance.engine.ports import DIALLING, OPTIONAL, Port
from board import api
from dsp.countries import tone_table
from dsp.mix import db

if TYPE_CHECKING:
    from appliance.engine.engine import Engine

log = logging.getLogger(__name__)
transitions = logging.getLogger("appliance.transitions")

FAX_GAIN = db(-3.0)
"""Of what a fax and its peer hear of each other. No echo is cancelled for them: what comes back by both
hybrids, and spoils dots, has gone through the box twice more than what was meant, and is 6 dB weaker so."""

_COMMAND_NAMES: dict[type[Any], str] = {
    api.SetHook: "taking or releasing the line",
    api.StartRinging: "ringing the telephone",
    api.StopRinging: "stopping the ringing",
    api.FlashHook: "the hook flash",
    api.DialNumber: DIALLING,
    **dict.fromkeys(
        (api.OnHookTransfer, api.SetPolarity, api.MessageLamp, api.ReadBreaks, api.KeepLine), OPTIONAL
    ),
}


class Hands:
    """The engine's hands: what actions do to ports, players, bridges and recordings."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.country = "CN"
        self.displays = CallerDisplays(self.command)
        self.breaks = Breaks(self.command)
        self._bridges: set[tuple[int, int]] = set()
        self.bridged = np.zeros(engine.rows, np.bool_)
        """Rows that hear another port."""

    def apply(self, actions: Iterable[act.Action]) -> None:
        """Carry out all actions in order."""
        for action in actions:
            handler = _HANDLERS.get(type(action))
            if handler is None:
                raise TypeError(f"the core asked for {action!r}, which the engine does not know")
            handler(self, action)

    # --------------------------------------------------------------- helpers
    def port(self, name: str, action: act.Action) -> Port | None:
        """Row of a port; None (logged) when the plan names it but no card has it."""
        port = self._engine.table.by_name(name)
        if port is None:
            log.warning("%s: port %s has no socket", type(action).__name__, name)
        return port

    def command(self, port: Port, command: api.Command) -> int | None:
        """Send a command to the port's card; its failure will come back as an event.

        Its id, None when the card is lost.
        """
        if port.card in self._engine.shelf.lost:
            return None
        board = self._engine.boards[port.card]
        try:
            number = board.command(port.index, command)
        except api.BoardError as error:
            log.error("port %s: %s", port.name or port.info.name, error)
            self._engine.lose_card(port.card, str(error))
            return None
        port.commands[number] = _COMMAND_NAMES.get(type(command), type(command).__name__)
        return number

    def note(self, port: Port, event: api.PortEvent, at: int) -> None:
        """Something has happened at a port; at: engine clock."""
        if isinstance(event, api.LineKept) and not port.name:
            # The plan has no use for this line any more: nobody would ever hang up.
            self.command(port, api.SetHook(False))
        self.displays.note(port, event, at)
        self.breaks.note(port, event)

    def heard(self, events: Iterable[core.Event]) -> None:
        """What the detectors have made of the sound of this tick."""
        for event in events:
            if isinstance(event, core.KeyPressed):
                port = self._engine.table.by_name(event.port)
                if port is not None and not port.is_line:
                    self.breaks.heard_key(port)

    def douse(self, everywhere: bool = False) -> None:
        """Put out lamps of sockets that the plan has no use for; or all, whose state nobody knows yet."""
        for port in self._engine.table.ports:
            if "lamp" in port.info.can and (everywhere or (port.lamp and not port.name)):
                port.lamp = False
                self.command(port, api.MessageLamp(False))

    def unbridge_all(self, row: int) -> None:
        """Take a row out of every bridge."""
        for pair in [pair for pair in self._bridges if row in pair]:
            self._bridges.discard(pair)
            self._join(pair, False)

    def leave_alone(self, port: Port, modem: bool) -> None:
        """A fax or modem is on this line: no gain for it and for whom it talks with, but a fixed loss; with
        `modem` no echo cancellation either."""
        self._engine.levelling.leave_alone(port.row)
        for pair in self._bridges:
            if port.row in pair:
                self._join(pair, True)
        self._engine.modems[port.row] |= modem

    @property
    def bridges(self) -> int:
        """Pairs of ports that hear each other."""
        return len(self._bridges)

    def _join(self, pair: tuple[int, int], joined: bool) -> None:
        """Let two rows hear each other, or no longer. Whoever talks with a fax is left alone too, so long."""
        levelling = self._engine.levelling
        fax = any(levelling.left_alone(row) for row in pair)
        gain = 0.0 if not joined else FAX_GAIN if fax else 1.0
        a, b = pair
        self._engine.mixer.set_pair(a, b, gain)
        self._engine.mixer.set_pair(b, a, gain)
        for row in pair:
            self.bridged[row] = any(row in bridge for bridge in self._bridges)
            if fax and joined:
                levelling.leave_alone(row)
            elif fax and not self._engine.table.ports[row].is_line:
                levelling.restart(row)

    # --------------------------------------------------------------- lines
    def _seize(self, action: act.Seize) -> None:
        port = self.port(action.port, action)
        if port is None:
            return
        port.in_use = True
        port.battery_told = False
        self._engine.care.seized(port, self._engine.samples)
        self._engine.tones.restart(port)
        self._engine.levelling.restart(port.row)
        self._engine.modems[port.row] = False
        self._engine.hearing.restart(port)
        self._engine.hearing.gate(port)
        if "dials" in port.info.can and not port.called:
            # Nothing to take yet: whoever dials whole numbers needs no dial tone.
            self._engine.feed(core.ToneHeard(port.name, "dial"))
            return
        port.called = False
        self.command(port, api.SetHook(True))

    def _keep(self, action: act.Keep) -> None:
        port = self.port(action.port, action)
        if port is not None and "keeps" in port.info.can:
            self.command(port, api.KeepLine(f"{action.presentation} {action.number}"))

    def _release(self, action: act.Release) -> None:
        port = self.port(action.port, action)
        if port is None:
            return
        self._engine.players.quiet(port.row)
        self.unbridge_all(port.row)
        port.released()
        self._engine.care.released(port, self._engine.samples)
        self._engine.hearing.restart(port)
        self._engine.hearing.watch(port, frozenset())
        if port.is_line:
            self.command(port, api.SetHook(False))

    def _flash(self, action: act.Flash) -> None:
        if (port := self.port(action.port, action)) is not None:
            self.command(port, api.FlashHook(action.duration_ms))

    def _dial(self, action: act.Dial) -> None:
        port = self.port(action.port, action)
        if port is None:
            return
        if "dials" in port.info.can:
            port.dial_token = action.token
            self.command(port, api.DialNumber(action.digits))
        else:
            self._engine.players.dial(port.row, action.token, sounds.digits_spec(action.digits))

    # ---------------------------------------------------------- telephones
    def _ring(self, action: act.Ring) -> None:
        port = self.port(action.port, action)
        if port is not None:
            port.ringing = True
            who = Caller(action.caller_number, action.caller_name, action.presentation)
            cadence_ms = tone_table(self.country).ring_ms
            self.displays.ring(port, who, self.country, cadence_ms, self._engine.unix_s, self._engine.samples)

    def _stop_ring(self, action: act.StopRing) -> None:
        port = self.port(action.port, action)
        if port is not None:
            port.ringing = False
            self.displays.end(port)
            self.command(port, api.StopRinging())

    def _lamp(self, action: act.Lamp) -> None:
        port = self.port(action.port, action)
        if port is not None and "lamp" in port.info.can:
            port.lamp = action.on
            self.command(port, api.MessageLamp(action.on))

    # --------------------------------------------------------------- sound
    def _play(self, action: act.Play) -> None:
        port = self.port(action.port, action)
        if port is None:
            self._engine.feed(core.PlayFinished(action.port, action.token, "the port has no socket"))
            return
        self._engine.players.play(port.row, action.token, action.prompts, action.loop)

    def _play_tone(self, action: act.PlayTone) -> None:
        port = self.port(action.port, action)
        if port is not None:
            self._engine.players.tone(port.row, sounds.tone_spec(self.country, action.tone))
            if not port.is_line:
                (self.breaks.dial_tone if action.tone == "dial" else self.breaks.no_digits)(port)

    def _quiet(self, action: act.Quiet) -> None:
        if (port := self.port(action.port, action)) is not None:
            self._engine.players.quiet(port.row)

    def _watch(self, action: act.Watch) -> None:
        if (port := self.port(action.port, action)) is not None:
            self._engine.hearing.watch(port, action.for_)

    def _bridge(self, action: act.Bridge) -> None:
        pair = self._pair(action.a, action.b, action)
        if pair is not None and pair not in self._bridges:
            self._bridges.add(pair)
            self._join(pair, True)
            for row in pair:
                if not (port := self._engine.table.ports[row]).is_line:
                    self.breaks.no_digits(port)

    def _unbridge(self, action: act.Unbridge) -> None:
        pair = self._pair(action.a, action.b, action)
        if pair is not None and pair in self._bridges:
            self._bridges.discard(pair)
            self._join(pair, False)

    def _pair(self, a: str, b: str, action: act.Action) -> tuple[int, int] | None:
        first, second = self.port(a, action), self.port(b, action)
        if first is None or second is None:
            return None
        return min(first.row, second.row), max(first.row, second.row)

    # ---------------------------------------------------------- recordings
    def _start_recording(self, action: act.StartRecording) -> None:
        if (port := self.port(action.port, action)) is not None:
            self._engine.recorder.start(action.call, port.row, self._engine.unix_s)

    def _pause_recording(self, action: act.PauseRecording) -> None:
        self._engine.recorder.pause(action.call, action.paused)

    def _stop_recording(self, action: act.StopRecording) -> None:
        self._engine.recorder.stop(action.call, action.ended_s_ago)

    def _save_record(self, action: act.SaveRecord) -> None:
        self._engine.save_record(action.call, action.data, action.final)

    # -------------------------------------------------------------- people
    def _ask(self, action: act.Ask) -> None:
        self._engine.ask(action)

    def _reply(self, action: act.Reply) -> None:
        self._engine.reply(action.ref, action.error, action.data)

    def _publish(self, action: act.Publish) -> None:
        if action.topic == "notice":
            data = action.data
            self._engine.notice(
                str(data.get("code", "")), data.get("data", {}), str(data.get("level", "warning"))
            )
        elif action.topic != "agent":
            # An agent's new state reaches everybody in the `live` snapshot.
            self._engine.publish(action.topic, action.data)

    def _log_transition(self, action: act.LogTransition) -> None:
        transitions.info("%s %s: %s --%s--> %s", *_parts(action))


def _parts(action: act.LogTransition) -> Sequence[str]:
    return action.machine, action.key, action.old, action.event, action.new


_HANDLERS: dict[type[act.Action], Callable[[Hands, Any], None]] = {
    act.Seize: Hands._seize,
    act.Keep: Hands._keep,
    act.Release: Hands._release,
    act.Ring: Hands._ring,
    act.StopRing: Hands._stop_ring,
    act.Lamp: Hands._lamp,
    act.Play: Hands._play,
    act.PlayTone: Hands._play_tone,
    act.Quiet: Hands._quiet,
    act.Dial: Hands._dial,
    act.Flash: Hands._flash,
    act.Watch: Hands._watch,
    act.Bridge: Hands._bridge,
    act.Unbridge: Hands._unbridge,
    act.StartRecording: Hands._start_recording,
    act.PauseRecording: Hands._pause_recording,
    act.StopRecording: Hands._stop_recording,
    act.SaveRecord: Hands._save_record,
    act.Ask: Hands._ask,
    act.Reply: Hands._reply,
    act.Publish: Hands._publish,
    act.LogTransition: Hands._log_transition,
}
