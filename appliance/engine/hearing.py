"""What is heard on all ports: banks of detectors, gated by what the core watches for.

Keys, call progress, hang-up, answer and caller ID each run over the whole
matrix `[rows, samples]`; rows that nobody watches cost next to nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from appliance.core import events as core
from appliance.engine.ports import Port
from appliance.engine.powers import Powers
from dsp.answer import AnswerDetector
from dsp.callerid import CallerIdReceiver
from dsp.disconnect import DisconnectDetector
from dsp.dtmf import DtmfReceiver
from dsp.dtmf_plans import plan_of
from dsp.fax import FaxDetector
from dsp.levels import clean
from dsp.linescan import OFF, Frame, LearnedTone
from dsp.ownecho import OwnEcho
from dsp.progress import ProgressDetector, ToneEvent
from dsp.voice import VoiceActivity

RATE_HZ = 8000
CALLER_ID_WORK = 250
"""About FSK in a tick (2.5 ms): 16 lines whose callers come in one moment are answered within 0.2 s."""
VOICE_REPORT_FRAMES = 10
SILENCE_REPORT_FRAMES = 50
"""Voice must last 200 ms, and silence 1 s, before a line that is watched for progress is said to carry it."""

Float = NDArray[np.float32]
Bools = NDArray[np.bool_]

NEED_TONES = frozenset(("progress", "answer"))
"""Who is watched for one of these is looked at for the network's tones."""
CUES = {"dialtone": "dialtone"}
"""How the core calls what ended a call; every other reason is a disconnect tone."""


class Hearing:
    """All detectors of the box. The tick thread alone uses it."""

    def __init__(self, ports: list[Port], country: str, rows: int) -> None:
        """ports: the table's, whose `watch`, `name` and `in_use` are followed; it may grow to `rows`."""
        self._ports = ports
        self._rows = rows
        self._dtmf = DtmfReceiver(rows, plan_of(country))
        self._progress = ProgressDetector(rows, country)
        self._disconnect = DisconnectDetector(rows, country, scan=self._progress.scan)
        self._fax = FaxDetector(rows, country, scan=self._progress.scan)
        self._voice = VoiceActivity(rows)
        self._callerid = CallerIdReceiver(rows, work_per_tick=CALLER_ID_WORK)
        self._id_samples = 0
        self._answer = AnswerDetector(rows, country, self._progress)
        self._answer.watch(range(rows), False)
        self._own = OwnEcho(rows)
        self._keys: Bools = np.zeros(rows, np.bool_)
        self._tones: Bools = np.zeros(rows, np.bool_)
        self._talk: Bools = np.zeros(rows, np.bool_)
        self._open: Bools = np.zeros(rows, np.bool_)
        self._open_talk: Bools = np.zeros(rows, np.bool_)
        self._heard_out: Bools = np.zeros(rows, np.bool_)
        """Rows watched for progress, which are told voice and silence as well."""
        self._ids: Bools = np.zeros(rows, np.bool_)
        self._in_tone: Bools = np.zeros(rows, np.bool_)
        self._spoken = np.zeros(rows, np.int32)
        """Frames of voice in a row, or less than 0: of silence."""
        self._said = [""] * rows
        self._country = country
        self._learned: list[LearnedTone | None] = [None] * rows
        """What each row's disconnect detector listens for beside the country's tones."""
        self._to_learn: dict[int, LearnedTone | None] = {}
        """The same, from the row's next call on."""
        self.refresh()

    def set_country(self, country: str) -> None:
        """The lines belong to a network of this country; what was learned on them has to be told anew."""
        if country == self._country:
            return
        if plan_of(country) != plan_of(self._country):
            self._dtmf = DtmfReceiver(self._rows, plan_of(country))
        self._country = country
        rows = list(range(self._rows))
        self._progress.set_country(rows, country)
        self._disconnect.reset(rows)
        self._in_tone[:] = False
        self._spoken[:] = 0
        self._said = [""] * self._rows
        self._learned = [None] * self._rows
        self._to_learn.clear()

    def learn(self, port: Port, tone: LearnedTone | None) -> None:
        """This line's exchange has a disconnect tone of its own (None: no more). A call in progress is
        not disturbed: it counts from the next one on."""
        self._to_learn[port.row] = tone
        if not port.in_use:
            self._take_learned(port.row)

    def _take_learned(self, row: int) -> None:
        tone = self._to_learn.pop(row, None)
        if tone != self._learned[row]:
            self._learned[row] = tone
            self._disconnect.set_country([row], self._country, tone)

    def restart(self, port: Port) -> None:
        """A new call begins (or has ended) on this port: forget what it sounded like."""
        row = [port.row]
        if port.row in self._to_learn:
            self._take_learned(port.row)
        self._progress.reset(row)
        self._disconnect.reset(row)
        self._fax.reset(row)
        self._voice.reset(row)
        self._dtmf.reset(row)
        self._callerid.reset(row)
        self._own.reset(np.array(row))
        self._in_tone[port.row] = False
        self._spoken[port.row] = 0
        self._said[port.row] = ""

    def watch(self, port: Port, wanted: frozenset[str]) -> None:
        """Look for these things on this port from now on."""
        was, port.watch = port.watch, wanted
        if "disconnect" in wanted and "disconnect" not in was:
            self._disconnect.connected([port.row])
        if "progress" in wanted - was or (NEED_TONES & wanted and not NEED_TONES & was):
            self._progress.reset([port.row])
            self._said[port.row] = ""
            self._spoken[port.row] = 0
            self._in_tone[port.row] = False
        # Where the network signals the answer, a voice before it (ring-back music) means nothing.
        self._answer.watch([port.row], "answer" in wanted and "call-state" not in port.info.can)
        self.gate(port)

    def refresh(self) -> None:
        """Gates of all rows, after a new plan."""
        for port in self._ports:
            self.gate(port)

    def gate(self, port: Port) -> None:
        """Open and close the banks for one row, after a change of what is watched, usable or in use there."""
        row, watch = port.row, port.watch
        usable = bool(port.name) and not port.gone
        self._keys[row] = usable and "keys" in watch and "keys" not in port.info.can
        self._tones[row] = usable and not watch.isdisjoint(("progress", "disconnect", "answer"))
        self._talk[row] = usable and not watch.isdisjoint(NEED_TONES)
        self._heard_out[row] = usable and "progress" in watch
        idle_line = port.is_line and port.line is not None and port.line.inbound and not port.in_use
        reported = "callerid" in port.info.can
        self._ids[row] = usable and not reported and (idle_line or "callerid" in watch)

    def listen(self, heard: Float, powers: Powers, dialling: Bools) -> list[core.Event]:
        """What one block shows. heard: float32 [rows, 160] on the 16-bit scale; powers: of it, and of what
        was said to the ports in the block before.

        On rows that are `dialling` the exchange hears digits, and what we hear is their echo:
        no tone, voice or answer is looked for there.
        """
        out: list[core.Event] = []
        heard = clean(heard)
        if np.count_nonzero(self._ids):
            self._hear_caller_ids(heard, out)
        if np.count_nonzero(self._keys):
            self._hear_keys(heard, out)
        if np.count_nonzero(self._tones):
            self._hear_tones(heard, powers.said, dialling, out)
        return out

    # ------------------------------------------------------------------ banks
    def _hear_caller_ids(self, heard: Float, out: list[core.Event]) -> None:
        messages = self._callerid.process_clean(heard, self._ids)
        self._id_samples += heard.shape[1]
        for message in messages:
            port = self._ports[message.port]
            if message.valid and self._ids[port.row]:
                latency_s = (self._id_samples - message.end_samples) / RATE_HZ
                shown = message.reason or "shown"
                out.append(core.CallerIdSeen(port.name, message.number, message.name, shown, latency_s))

    def _hear_keys(self, heard: Float, out: list[core.Event]) -> None:
        for event in self._dtmf.process_clean(heard, self._keys):
            if event.phase == "down" and self._keys[event.port]:
                out.append(core.KeyPressed(self._ports[event.port].name, event.digit))

    def _hear_tones(self, heard: Float, sent: Float, dialling: Bools, out: list[core.Event]) -> None:
        np.greater(self._tones, dialling, out=self._open)
        talking = np.count_nonzero(self._talk) > 0
        if talking:
            np.greater(self._talk, dialling, out=self._open_talk)
            voice = self._voice.process_clean(heard, self._open_talk)
        for frame in self._progress.scan.process_clean(heard, self._open):
            events = self._progress.process_frame(frame, self._talk)
            for event in events:
                port = self._ports[event.port]
                self._in_tone[event.port] = event.phase == "start"
                self._said[event.port] = ""
                self._spoken[event.port] = 0
                if "progress" in port.watch:
                    out.append(core.ToneHeard(port.name, event.tone, over=event.phase == "end"))
            for fax in self._fax.process_frame(frame):
                port = self._ports[fax.port]
                if port.is_line and port.in_use:
                    out.append(core.FaxHeard(port.name, fax.tone, fax.bursts))
            for hangup in self._disconnect.process_frame(frame):
                port = self._ports[hangup.port]
                if "disconnect" in port.watch:
                    latency_s = max(0.0, (frame.end_samples - hangup.tone_began_samples) / RATE_HZ)
                    cue = CUES.get(hangup.reason, "tone")
                    out.append(core.FarEndGone(port.name, cue, latency_s))
            if talking:
                if self._answer.any:
                    self._hear_answers(frame, events, sent, out)
                self._hear_voices(frame.kind, voice, out)

    def _hear_answers(
        self, frame: Frame, events: list[ToneEvent], sent: Float, out: list[core.Event]
    ) -> None:
        echo = self._own.process(10.0 ** (frame.level_dbm0 / 10.0), sent)
        for answer in self._answer.process_frame(frame, events, echo):
            port = self._ports[answer.port]
            if "answer" in port.watch and not port.answered_by_reversal:
                out.append(core.FarEndAnswered(port.name, answer.by))

    def _hear_voices(self, kind: NDArray[np.int8], voice: Bools, out: list[core.Event]) -> None:
        """Voice and silence as such, between the tones, told once each."""
        asked = np.greater(self._open_talk, self._in_tone)
        asked &= self._heard_out
        spoken = np.where(voice, np.maximum(self._spoken, 0) + 1, np.minimum(self._spoken, 0) - 1)
        spoken *= kind == OFF
        np.copyto(self._spoken, spoken, where=asked)
        told = spoken == VOICE_REPORT_FRAMES
        told |= spoken == -SILENCE_REPORT_FRAMES
        told &= asked
        for row in told.nonzero()[0].tolist():
            now = "voice" if voice[row] else "silence"
            if now != self._said[row]:
                self._said[row] = now
                out.append(core.ToneHeard(self._ports[row].name, now))
