"""The engine: one tick moves all ports of all cards through detectors, core and mixer.

    read blocks ─► one matrix ─► detectors ─► core.step ─► actions ─► players, tones, mix ─► write blocks
                                                                                └─► recordings

It holds no clock and starts no process: `run_tick` is called by whoever paces
it, time is counted in samples, and wall time is asked of `wall_clock` only to
date what leaves the engine.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from appliance.core import actions as act
from appliance.core import events as core
from appliance.core.plan import Plan, PlanError
from appliance.core.switch import Switch
from appliance.engine import health, plans, ports, unixtime
from appliance.engine.apply import Hands
from appliance.engine.cardwork import CardWork
from appliance.engine.deadair import DeadAir
from appliance.engine.hearing import Hearing
from appliance.engine.levelling import Levelling
from appliance.engine.linecare import LineCare
from appliance.engine.lineecho import LineEcho
from appliance.engine.linetones import LineTones, Study
from appliance.engine.mailbox import Mailbox, Message, Publish
from appliance.engine.messages import Messages
from appliance.engine.pace import Stopwatch
from appliance.engine.players import Players
from appliance.engine.ports import Port, PortTable
from appliance.engine.powers import Powers
from appliance.engine.prompts import PromptStore
from appliance.engine.recorder import Recorder
from appliance.engine.shelf import OnLost, Shelf
from appliance.engine.spool import Spool
from appliance.engine.worker import Worker
from appliance.paths import SHIPPED_PROMPTS, Home
from board import api
from board.clocks import Clocks, PacedBoard
from dsp.learn import ending
from dsp.mix import Mixer

log = logging.getLogger(__name__)

RATE_HZ = api.SAMPLE_RATE_HZ
BLOCK = api.BLOCK_SAMPLES
LIVE_EVERY_S = 0.2
LIVE_BEHIND_S = 2.0
"""An engine that is behind may tell the live state so much later: people see it still."""
HEALTH_EVERY_S = 1.0
HEALTH_FIRST_S = 0.5
"""The meters of the lines end their seconds on the whole second: as a rule no tick does both."""
RETRY_RECORDS_EVERY_S = 30.0
WALL_STEP_S = 0.25
"""Wall clock and sample clock may drift apart by this much before dates are moved."""


class CallCore(Protocol):
    """What the engine needs of `appliance.core.switch.Switch`."""

    def step(self, now: float, events: Sequence[core.Event]) -> list[act.Action]:
        """React to what happened, or to timers that are due."""

    def next_due(self) -> float | None:
        """When a timer is due; None for never."""

    def snapshot(self, now: float) -> dict[str, Any]:
        """The live snapshot, in the core's seconds."""

    def busy_ports(self) -> frozenset[str]:
        """Names of ports in a call."""


MakeCore = Callable[[Plan, Iterator[str]], CallCore]


class CardsLost(Exception):
    """No card is left: nothing can be done until the engine is started anew."""


class Engine:
    """All cards, the call core and everything between them.

    The thread that calls `run_tick` owns it; only `command` and `shelf.offer` may be called by others.
    """

    def __init__(
        self,
        boards: Sequence[api.Board],
        home: Home,
        plan: Plan,
        wall_clock: Callable[[], float],
        publish: Publish | None = None,
        threaded: bool = False,
        make_core: MakeCore = Switch,
        spare_ports: int = 0,
        without_cards: Callable[[], int] | None = None,
        on_lost: OnLost | None = None,
        hardware: Callable[[], list[Message]] = list,
        study: Study = ending,
    ) -> None:
        """`threaded`: files are handled by helper threads (the real process); otherwise at once,
        so that the same inputs give the same events (stories, tests).

        `home` must have been created. spare_ports: rows kept free for cards that are added later.
        without_cards: waits one tick while there is no card and tells the samples it has left out; without
        it `run_tick` raises CardsLost then.
        on_lost: see `Shelf`. hardware: what is plugged in, for `health`. study: see `LineTones`.
        """
        self.clocks = Clocks(boards)
        self.boards: list[PacedBoard] = list(self.clocks.boards)
        self.home = home
        self.wall_clock = wall_clock
        self.shelf = Shelf(self, on_lost, threaded)
        self._without_cards = without_cards
        self.hardware = hardware
        self.samples = 0
        self.table = PortTable(self.boards)
        self.stopwatch = Stopwatch()
        self._mail = Mailbox(publish)
        self._events: list[core.Event] = []
        self._live_due_s = 0.0
        self._live_changed = True
        self._health_due_s = HEALTH_FIRST_S
        self._retry_due_s = RETRY_RECORDS_EVERY_S
        self.recording_ok = True
        self._closed = False
        self._offset_s = wall_clock()
        self._last_id_ms = 0

        self.rows = rows = len(self.table) + spare_ports
        self._heard = np.zeros((rows, BLOCK), np.float32)
        self._said = np.zeros((rows, BLOCK), np.float32)
        self._out = np.zeros((rows, BLOCK), np.int16)
        lines = [port.row for port in self.table.ports if port.is_line]
        self._line_rows = np.array(lines, np.intp)
        self._lines = [self.table.ports[row] for row in lines]
        self._echo = LineEcho(rows, len(lines) + spare_ports)
        self._echo_active = self._echo.active
        self._echo_delays: list[int] = []
        """Of each card; empty when they have to be asked anew."""
        self._lines_up = np.zeros(len(lines), np.bool_)
        self._talking = np.zeros(rows, np.bool_)
        """Rows of lines in a conversation; a caller on hold hears music and is in none."""
        self.modems = np.zeros(rows, np.bool_)
        """Rows whose far side has asked that no echo be cancelled (2100 Hz with phase reversals, V.25)."""
        self._files = Worker("files", threaded)
        self._sounds = Worker("prompts", threaded)
        self._ends = Worker("ends of calls", threaded)
        self.prompts = PromptStore(home.prompts, SHIPPED_PROMPTS, self._sounds, plan.language)
        self.players = Players(rows, self.prompts.get)
        self.mixer = Mixer(max(rows, 1))
        self.levelling = Levelling(rows)
        self._clean = self._levelled = self._heard
        self.dead_air = DeadAir(rows)
        self.hearing = Hearing(self.table.ports, plan.country, rows)
        self.recorder = Recorder(home.root, home.recordings, home.spool, rows, self._files)
        self.spool = Spool(home.spool, self.publish, self.notice_later)
        self.messages = Messages(self)
        self.work = CardWork(self)
        self.care = LineCare(self.table.ports, rows, home.root / "lines.json", self.measure)
        self.tones = LineTones(self.table.ports, rows, home.root / "tones.json", self._ends, study)
        self.hands = Hands(self)
        self.hands.country = plan.country
        self.switch = make_core(plan, self._call_ids())
        self._files.submit(self._mend)
        self._files.submit(self.messages.load)
        self._use(plan)
        self.hands.douse(everywhere=True)

    # ----------------------------------------------------------------- time
    @property
    def now(self) -> float:
        """Seconds of audio since the start: the only time the core knows."""
        return self.samples / RATE_HZ

    @property
    def unix_s(self) -> float:
        """Wall time of this tick."""
        return self._offset_s + self.now

    @property
    def cards(self) -> list[api.Board]:
        """The cards themselves, without the queues that keep them in one time."""
        return [board.inner for board in self.boards]

    @property
    def idle(self) -> bool:
        """No line and no telephone is in use."""
        return not any(port.in_use or port.ringing for port in self.table.ports)

    # ----------------------------------------------------------------- tick
    def run_tick(self) -> None:
        """Take one block of every card through the box.

        Blocks until the first card has its block. Raises CardsLost when no card is left.
        """
        events = self._events
        self.shelf.take(events)
        waited_s = self._read(events)
        watch = self.stopwatch
        watch.start(self.samples, waited_s)
        self.samples += BLOCK
        self._follow_wall_clock()
        for port in self.table.ports:
            if port.battery_lost_at is not None:
                events += self._due(port)
            if port.ringer.active:
                events += ports.ring_due(port, self.samples)
        for message in self._mail.take():
            self._take_command(message, events)
        self.messages.tick()
        self.work.tick()
        watch.mark("care")
        events += self.care.tick(self.samples, self._heard, self._said, self.hands.bridged)
        watch.mark("echo")
        self._follow_lines()
        self._cancel_echo()
        watch.mark("hear")
        powers = Powers.of(self._heard, self._said)
        self._echo.listen(powers)
        heard = self.hearing.listen(self._heard, powers, self.players.dialling)
        self.hands.heard(heard)
        events += heard
        self._note_lines(events)
        for row, silent, quiet_s in self.dead_air.process(self._heard, self._said, powers, self._talking):
            events.append(core.LineSilent(self.table.ports[row].name, silent, quiet_s))
        watch.mark("core")
        self._step(events)
        watch.mark("mix")
        self._speak(powers, events)
        self._write()
        watch.mark("record")
        self.recorder.tap(self._levelled, self._said)
        self.tones.tap(self._heard, powers.heard, self._line_rows[self._lines_up])
        watch.mark("rest")
        self._keep_house()
        watch.stop()

    def _read(self, events: list[core.Event]) -> float:
        """Take a block of every card; how long the leader's was waited for."""
        waited_s = 0.0
        for card, board in enumerate(self.boards):
            if card in self.shelf.lost:
                continue
            begin_s = time.perf_counter()
            try:
                tick = board.read()
            except Exception as error:
                self._card_failed(card, error)
                continue
            if board.leads:
                waited_s = time.perf_counter() - begin_s
            if tick.lost:
                log.warning("card %s: %d samples lost", board.id, tick.lost)
                if board.leads:
                    self.stopwatch.skip(tick.lost)
            rows = self.table.card_rows[card]
            np.copyto(self._heard[rows], tick.audio)
            for event in tick.events:
                age = tick.clock + BLOCK - event.clock
                self._take_event(self.table.at(card, event.port), event, self.samples + BLOCK - age, events)
        if len(self.shelf.lost) == len(self.boards):
            if self._without_cards is None:
                raise CardsLost("no card is left: check the cards and start the engine again")
            self.stopwatch.skip(self._without_cards())
        return waited_s

    def _note_lines(self, events: list[core.Event]) -> None:
        """Let the line care learn from what the core is about to be told."""
        for event in events:
            if isinstance(event, core.PortSignal):
                port = self.table.by_name(event.port)
                if port is not None and port.is_line:
                    self.care.note(port, event, self.samples)
                    if isinstance(event, core.FaxHeard):
                        self.hands.leave_alone(port, event.tone == "modem")

    def measure(self, port: Port) -> api.LineMeasure | None:
        """What a port measures; None when that has shown its card to be lost."""
        try:
            return self.boards[port.card].measure(port.index)
        except api.BoardError as error:
            self.lose_card(port.card, str(error))
            return None

    def _take_event(self, port: Port, event: api.PortEvent, at: int, events: list[core.Event]) -> None:
        if self.messages.take(port, event):
            return
        self.hands.note(port, event, at)
        found = ports.translate(port, event, at)
        if isinstance(event, api.PortGone):
            self.players.quiet(port.row)
            self.hands.unbridge_all(port.row)
        self.hearing.gate(port)
        events += found

    def _due(self, port: Port) -> list[core.Event]:
        found = ports.due(port, self.samples)
        if found:
            self.hearing.gate(port)
        return found

    def lose_card(self, card: int, reason: str) -> None:
        """A card does not answer any more: its calls end, the others go on."""
        if not self.shelf.lose(card, reason):
            return
        self.messages.card_lost(card)
        rows = self.table.card_rows[card]
        self._heard[rows] = 0.0
        for port in self.table.ports[rows]:
            self._take_event(port, api.PortGone(port.index, 0, reason), self.samples, self._events)

    def grown(self, rows: slice) -> None:
        """The table has these rows more."""
        lines = [port.row for port in self.table.ports[rows] if port.is_line]
        self._line_rows = np.concatenate([self._line_rows, np.array(lines, np.intp)])
        self._lines += [self.table.ports[row] for row in lines]
        self._echo_delays = []
        self.tones.added(self.table.ports[rows])

    @property
    def files_backlog(self) -> int:
        """Jobs with files that have not been begun."""
        return self._files.backlog

    def in_background(self, job: Callable[[], None]) -> None:
        """Do something slow with files, in order, without holding up the tick."""
        self._files.submit(job)

    def _step(self, events: list[core.Event]) -> None:
        """Let the core react, and do what it wants, until it wants nothing more at this instant."""
        due_s = self.switch.next_due()
        if not events and (due_s is None or due_s > self.now):
            return
        batch = events.copy()
        events.clear()
        actions = self.switch.step(self.now, batch)
        if actions:
            self._live_changed = True
            self.hands.apply(actions)
            if self.table.held and self.table.held - self.switch.busy_ports():
                self._events += self._use(self._plan)

    def _speak(self, powers: Powers, events: list[core.Event]) -> None:
        self._levelled = self.levelling.process(self._clean, powers, self.hands.bridged)
        self.mixer.process(self._levelled, out=self._said)
        self.players.add_to(self._said)
        self.hands.displays.add_to(self._said, self.samples)
        said = self._said[: len(self.table)]  # the rows kept for more cards are silent
        np.clip(said, -32768.0, 32767.0, out=said)
        np.rint(said, out=said)
        np.copyto(self._out[: len(said)], said, casting="unsafe")
        for finished in self.players.take_finished():
            name = self.table.ports[finished.row].name
            if finished.dialled:
                events.append(core.DialFinished(name, finished.token))
            else:
                events.append(core.PlayFinished(name, finished.token, finished.error))

    def _follow_lines(self) -> None:
        """Which lines are off hook, and which of them are in a conversation."""
        self._lines_up = np.array([port.in_use for port in self._lines], np.bool_)
        self._talking[self._line_rows] = self._lines_up & self.hands.bridged[self._line_rows]

    def _cancel_echo(self) -> None:
        """Take out what the lines bring back of what we say to them: prompts and music, so that keys are
        heard through them, and in a conversation the other's voice, so that he does not hear himself.

        Not where a fax or modem is on the line. The first thing to go when the engine is behind.
        """
        rows, bridged = self._line_rows, self.hands.bridged
        delays = [board.echo_blocks for board in self.boards]
        if delays != self._echo_delays:
            self._echo_delays = delays
            for card, blocks in enumerate(delays):
                self._echo.delay([i for i, port in enumerate(self._lines) if port.card == card], blocks)
        self._echo.remember(self._said, rows)
        active = self._echo_active[: len(rows)]
        np.greater(self._lines_up, (self.modems | (bridged & self.levelling.plain))[rows], out=active)
        self._clean = self._heard
        if active.any() and not self.stopwatch.shed_now():
            self._clean = self._echo.process(self._heard, self._said, rows, bridged, self.mixer.matrix)

    def _write(self) -> None:
        for card, board in enumerate(self.boards):
            if card not in self.shelf.lost:
                try:
                    board.write(self._out[self.table.card_rows[card]])
                except Exception as error:
                    self._card_failed(card, error)

    def _card_failed(self, card: int, error: Exception) -> None:
        """A card is lost; so is one in whose driver a defect shows: the calls on all others go on."""
        if isinstance(error, api.BoardError):
            self.lose_card(card, str(error))
            return
        log.error("card %s: a defect in its driver", self.boards[card].id, exc_info=error)
        self.lose_card(card, f"{type(error).__name__}: {error}")

    # ------------------------------------------------------ between the ticks
    def _keep_house(self) -> None:
        now = self.now
        for ref in self._mail.overdue(now):
            self.feed(core.Answered(ref, None))
        if (later := self._mail.take_later()) is not None:
            self.notice(*later, "error")
        if self.recorder.problems:
            self._tell_recording_problems()
        if self._live_changed and now >= self._live_due_s + self.stopwatch.behind * LIVE_BEHIND_S:
            self._live_due_s = now + LIVE_EVERY_S
            self._live_changed = False
            self._publish_live()
        if now >= self._health_due_s:
            self._health_due_s = now + HEALTH_EVERY_S
            self.publish("health", self.health())
        if (job := self.care.unsaved()) is not None:
            self._files.submit(job)
        for port, tone in self.tones.settle():
            self.hearing.learn(port, tone)
        if (job := self.tones.unsaved()) is not None:
            self._files.submit(job)
        if now >= self._retry_due_s:
            self._retry_due_s = now + RETRY_RECORDS_EVERY_S
            self._files.submit(self.spool.resend)
            self._files.submit(self.messages.spool.resend)

    def _tell_recording_problems(self) -> None:
        """One message for a disk that fails, however many calls are being recorded."""
        while self.recorder.problems:
            call, reason = self.recorder.problems.popleft()
            if reason:
                log.error("recording of call %s: %s", call, reason)
                if self.recording_ok:
                    self.notice("recording_failed", {"call": call, "reason": reason}, "error")
                self.recording_ok = False
            else:
                if not self.recording_ok:
                    self.notice("recording_works_again", {"call": call}, "info")
                self.recording_ok = True

    def _follow_wall_clock(self) -> None:
        # Reading the wall clock in every tick would make `since` flicker in every
        # snapshot; the sample clock carries the date and is only corrected.
        offset_s = self.wall_clock() - self.now
        if abs(offset_s - self._offset_s) > WALL_STEP_S:
            self._offset_s = offset_s
            self._live_changed = True

    # ---------------------------------------------------------------- input
    def feed(self, event: core.Event) -> None:
        """Give the core an event in the next tick."""
        self._events.append(event)

    def command(self, message: Message) -> None:
        """A command of control (docs/architecture.md, engine.sock). May be called from any thread."""
        self._mail.put(message)

    def connected(self) -> None:
        """Somebody listens (again): what nobody has heard is told, records are sent. Any thread."""
        self._mail.put({"cmd": "connected"})

    def _take_command(self, message: Message, events: list[core.Event]) -> None:
        try:
            self._obey(message, events)
        except (KeyError, TypeError, ValueError) as error:
            log.error("a command was refused: %s: %s", type(error).__name__, error)
            if message.get("cmd") == "desk" and isinstance(message.get("ref"), int):
                self.publish("reply", {"ref": message["ref"], "error": "bad_request", "data": {}})

    def _obey(self, message: Message, events: list[core.Event]) -> None:
        match message.get("cmd"):
            case "desk":
                args = dict(message.get("args") or {})
                desk = core.Desk(str(message["verb"]), str(message["agent"]), int(message["ref"]), args)
                events.append(desk)
            case "agents":
                back = [
                    core.SignedInBefore(
                        str(one["number"]), str(one["phone"]), bool(one["ready"]), str(one["reason"])
                    )
                    for one in message["agents"]
                ]
                events.append(core.AgentsBack(tuple(back)))
            case "answer":
                ref = int(message["ref"])
                if self._mail.close_question(ref):
                    data = message.get("data")
                    events.append(core.Answered(ref, dict(data) if data is not None else None))
            case "ack":
                call = str(message["id"])
                self._files.submit(lambda: self.spool.acknowledge(call))
            case "sms":
                self.messages.send(message)
            case "ack_message":
                self.messages.acknowledge(str(message["id"]))
            case "line_test":
                self.work.line_test(str(message["ref"]), str(message["port"]))
            case "firmware":
                data, force = str(message["data"]), bool(message.get("force"))
                self.work.update(str(message["ref"]), str(message["card"]), data, force)
            case "snapshot":
                self._publish_live()
            case "plan":
                self._new_plan(message["plan"], events)
            case "connected":
                self._welcome()
            case other:
                raise ValueError(f"unknown command {other!r}")

    def _new_plan(self, data: Any, events: list[core.Event]) -> None:
        try:
            plan = Plan.from_dict(data)
        except PlanError as error:
            log.error("a plan was refused: %s", error)
            self.notice("plan_refused", {"problems": error.problems}, "error")
            return
        log.info("plan version %s is in use", plan.version)
        events.append(core.PlanChanged(plan))
        events += self._use(plan)
        self._files.submit(lambda: plans.keep(self.home, data))

    def use_plan(self) -> list[core.Event]:
        """Name the ports of all cards as the plan does, after a change of cards."""
        return self._use(self._plan)

    def _use(self, plan: Plan) -> list[core.Event]:
        self._plan = plan
        before = {port.name: port.row for port in self.table.ports if port.name}
        found = self.table.use(plan, self.switch.busy_ports())
        self._events += found if not self.samples else []
        self.hands.country = plan.country
        self.hearing.set_country(plan.country)
        self.tones.use_country(plan.country)
        self.hearing.refresh()
        self.prompts.use(plan.language)
        self.hands.douse()
        self.levelling.use(self.table.ports, plan)
        self.dead_air.use(plan.silence.after_s)
        lost = {event.port for event in found if isinstance(event, core.PortLost)}
        for event in found:
            if isinstance(event, core.PortLost):
                log.warning("port %s: %s", event.port, event.reason)
        ready = [
            core.PortReady(port.name)
            for port in self.table.ports
            if port.name and port.name not in lost and before.get(port.name) != port.row
        ]
        return [*found, *ready]

    def _welcome(self) -> None:
        self._mail.deliver()
        self._publish_live()
        self._files.submit(self.spool.resend)
        self._files.submit(self.messages.spool.resend)

    # --------------------------------------------------------------- output
    def publish(self, topic: str, data: Message) -> bool:
        """Tell whoever listens; False when nobody does."""
        return self._mail.publish(topic, data)

    def notice(self, code: str, data: Message, level: str = "warning") -> None:
        """Tell supervisors; kept for the next listener when there is none now."""
        self._mail.notice(code, data, level, self.unix_s)

    def notice_later(self, code: str, data: Message) -> None:
        """A notice of a helper thread, told in the next tick."""
        self._mail.notice_later(code, data)

    def ask(self, action: act.Ask) -> None:
        """Put a question to control; without control the answer is None at once."""
        if not self._mail.ask(action.ref, action.question, action.data, action.deadline_s, self.now):
            self.feed(core.Answered(action.ref, None))

    def reply(self, ref: int, error: str, data: dict[str, Any]) -> None:
        """Outcome of a desk's wish, in Unix seconds like the live snapshot."""
        dated = unixtime.snapshot(data, self._offset_s)
        self.publish("reply", {"ref": ref, "error": error, "data": dated})

    def save_record(self, call: str, data: dict[str, Any], final: bool) -> None:
        """Date the record, add its recording, keep it and send it."""
        if final:
            self.recorder.stop(call)
            port = self.table.by_name(str(data.get("line", "")))
            if port is not None and port.is_line:
                self.care.record(port, data, self.unix_s)
                self.tones.call_ended(port, data)
        record = unixtime.record(data, self._offset_s)

        def store() -> None:
            found = self.recorder.describe(call, forget=final)
            problem = found.pop("problem", "")
            record.update(found)
            if problem:
                record["detail"] = "; ".join(filter(None, (record.get("detail", ""), problem)))
            self.spool.store(call, record, final)
            if final:
                self.recorder.forget(call)

        self._files.submit(store)

    def _mend(self) -> None:
        """Calls that an earlier run did not see the end of get their records and recordings."""
        mended = self.recorder.repair()
        self.spool.load(lambda call: mended.get(call, {}))
        for call in mended:
            self.recorder.forget(call)

    def _cut_off(self) -> None:
        """Calls that go on while the engine stops end here; so do their records."""

        def found(call: str) -> dict[str, Any]:
            found = self.recorder.describe(call, forget=True)
            found.pop("problem", "")
            return found

        for call in self.spool.cut_off_all(found, self.unix_s):
            self.recorder.forget(call)
        self.messages.cut_off_all()

    def snapshot(self) -> Message:
        """The live snapshot of docs/architecture.md, in Unix seconds."""
        return unixtime.snapshot(self.switch.snapshot(self.now), self._offset_s)

    def health(self) -> Message:
        """How well the engine keeps its pace."""
        return health.describe(self)

    def _publish_live(self) -> None:
        if self._mail.listened:
            self.publish("live", self.snapshot())

    # ------------------------------------------------------------------- ids
    def _call_ids(self) -> Iterator[str]:
        """Unique, and sorted by time: the moment of the call to the millisecond, never twice."""
        while True:
            self._last_id_ms = max(self._last_id_ms + 1, int(self.unix_s * 1000))
            moment = time.gmtime(self._last_id_ms // 1000)
            yield f"{time.strftime('%Y%m%d-%H%M%S', moment)}-{self._last_id_ms % 1000:03d}"

    # ------------------------------------------------------------------- end
    def close(self) -> None:
        """Stop cleanly: recordings and records are closed and on disk, cards released. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self.recorder.stop_all()
        if (job := self.care.unsaved(at_end=True)) is not None:
            self._files.submit(job)
        if not self._ends.close():
            log.warning("the end of a call was not looked at any more")
        self.tones.settle()
        if (job := self.tones.unsaved()) is not None:
            self._files.submit(job)
        self._files.submit(self._cut_off)
        if not self._files.close():
            log.error("the disk did not take everything in time: recordings will be mended at the next start")
        self._sounds.close(1.0)
        self.shelf.close()
