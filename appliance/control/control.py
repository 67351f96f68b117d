"""Control without its sockets: messages and the time in, effects out.

    engine events ──► from_engine ┐
    client requests ► from_client ├─► effects: lines to engine and clients, stream, work
    outcomes of work ► done       │
    time ───────────► tick        ┘

Nothing here blocks: what may (the database, files, hashing) is `Work` for the shell's threads.
`now` is in seconds of a clock that never goes back.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from appliance.control import (
    callers,
    care,
    claiming,
    health,
    messages,
    planning,
    returning,
    seats,
    system,
)
from appliance.control.compile import NO_PORTS, check_flow
from appliance.control.effects import Effect, Message, Stream, ToEngine, Work
from appliance.control.gate import Gate
from appliance.control.pins import PinGuard
from appliance.control.pops import Pops
from appliance.control.records import Records
from appliance.control.requests import ENGINE_AWAY, Requests, failure, result
from appliance.control.schedule import Schedule
from appliance.core.events import DESK_VERBS
from appliance.paths import SHIPPED_PROMPTS, Home, system_socket
from appliance.services import prompts as prompt_files
from appliance.services import retention
from appliance.services.backup_errors import BackupError
from appliance.services.repairs.model import REOPEN, REPUBLISH
from appliance.store import SHIPPED_FLOWS, InvalidRow, NotFound, Store, StoreError, open_store

log = logging.getLogger(__name__)

PROBE_S = 30.0
RETENTION_S = 3600.0
UNSENT_S = 30.0
"""How often the engine is given what has not been sent, in case that it has not heard of it."""
WARM_NUMBER = "+8613800138000"
"""Looked up once at the start, so that the first real pop finds the database open and in memory."""
EXPECTED = frozenset({"record", "message", "write_message", "care", care.JOB})
"""Work whose errors are told to whoever asked, and need no line in the log."""
BACK_WITHIN_S = 120.0
"""An engine that is away for longer finds agents signed out: nobody knows who is still there."""
FORWARDED = frozenset({"notice", "card_work"})


class Control:
    """One box's control. All methods return effects to be carried out in order."""

    def __init__(
        self,
        home: Home,
        wall_clock: Callable[[], float],
        open_store: Callable[[Path], Store] = open_store,
        shipped_prompts: Path = SHIPPED_PROMPTS,
        shipped_flows: Path = SHIPPED_FLOWS,
        spoken: Callable[[Store], dict[str, str]] = claiming.spoken,
    ) -> None:
        self._home = home
        self._wall_clock = wall_clock
        self._prompts = (home.prompts, shipped_prompts)
        self._flows = shipped_flows
        self._spoken = spoken
        self._gate = Gate(home.database, open_store)
        self._records = Records()
        self._messages = Records(messages.MESSAGES)
        self._pops = Pops()
        self._requests = Requests()
        self._pins = PinGuard()
        self._schedule = Schedule()
        self._schedule.add("probe", PROBE_S, 0.0, self._probe)
        self._schedule.add("retention", RETENTION_S, 60.0, self._retention)
        self._schedule.add("claim", claiming.LOOK_EVERY_S, claiming.LOOK_EVERY_S, self._say_claim)
        self._schedule.add("daily_backup", care.DAILY_LOOK_S, care.DAILY_LOOK_S, self._daily_backup)
        self._care = care.Care(home, self._gate, health.own_version(), wall_clock)
        self._care.tidy()
        self._plan = planning.PlanState()
        self._box = health.Health(wall_clock())
        self._subscribers: set[int] = set()
        self._unsent_due_s = 0.0
        self._last_work = 0
        self._link = 0
        self._engine_up = False
        self._live: Message | None = None
        self._signed_in: tuple[float, list[Message]] = (-math.inf, [])
        """When the engine went, and who was signed in then."""
        self._told: Message = {}

    # ------------------------------------------------------------------ engine
    def engine_up(self, now: float) -> list[Effect]:
        """The connection to the engine stands."""
        self._link += 1
        self._engine_up = True
        self._box.engine(True, self._wall_clock(), "")
        effects: list[Effect] = (
            [ToEngine({"cmd": "plan", "plan": self._plan.good})] if self._plan.good else []
        )
        since, agents = self._signed_in
        if agents and now - since <= BACK_WITHIN_S:
            effects.append(ToEngine({"cmd": "agents", "agents": agents}))
        return [*effects, ToEngine({"cmd": "snapshot"}), *self._unsent(), *self._tell_status()]

    def engine_down(self, why: str, now: float) -> list[Effect]:
        """The engine has gone, or does not answer yet."""
        was, self._engine_up = self._engine_up, False
        self._box.engine(False, self._wall_clock(), why)
        if not was:
            return self._tell_status()
        self._link += 1
        if self._live is not None:
            self._signed_in = now, returning.signed_in(self._live)
        self._live = None
        self._records.link_lost()
        self._messages.link_lost()
        return [*self._requests.engine_lost(), *self._pops.clear(), *self._tell_status()]

    def from_engine(self, message: Message, now: float) -> list[Effect]:
        """An event of the engine."""
        topic, data = message.get("event"), message.get("data")
        if not isinstance(topic, str) or not isinstance(data, dict):
            log.error("the engine sent something that is no event: %.200r", message)
            return []
        if topic == "live":
            self._live = data
            return [*self._requests.answer(Requests.LIVE, data), Stream("live", data)]
        if topic == "pop":
            return self._pops.pop(data, self._gate.store, now)
        if topic == "pop_end":
            return self._pops.end(data)
        if topic == "record":
            self._records.received(data, self._link)
            return self._records.step(self._gate.store, now)
        if topic == "message":
            self._messages.received(data, self._link)
            return self._messages.step(self._gate.store, now)
        if topic == "ask":
            return self._ask(data, now)
        if topic == "reply":
            ref = data.get("ref")
            reply = {"error": data.get("error", ""), "data": data.get("data") or {}}
            return [
                *(self._requests.answer(ref, reply) if isinstance(ref, int) else []),
                Stream("reply", data),
            ]
        if topic == "health":
            self._box.engine_health = data
            return self._heed_ports()
        if topic in FORWARDED:
            if data.get("code") == "plan_refused":
                self._plan.refused(data)
            if topic == "notice":
                self._box.notice(data)
            return [Stream(topic, data), *self._tell_status()]
        log.warning("the engine sent the unknown event %r", topic)
        return []

    def _ask(self, data: Message, now: float) -> list[Effect]:
        ref, question, about = data.get("ref"), data.get("question"), data.get("data")
        about = about if isinstance(about, dict) else {}
        store = self._gate.store
        deadline = data.get("deadline_s")
        until = now + (float(deadline) if isinstance(deadline, int | float) else math.inf)
        asked = {"ref": ref, "link": self._link, "until": until, "question": question}
        if question == "caller" and store is not None:
            number = str(about.get("number") or "")
            return [Work("read", "ask", lambda: callers.caller_answer(store, number), asked)]
        if question == "phone_sign_in":
            return self._sign_in(str(about.get("agent") or ""), str(about.get("pin") or ""), asked, now)
        if question != "caller":
            log.warning("the engine asked the unknown question %r", question)
        return [ToEngine({"cmd": "answer", "ref": ref, "data": None})]

    def _sign_in(self, agent: str, pin: str, asked: Message, now: float) -> list[Effect]:
        store = self._gate.store
        refusal = "store_away" if store is None else "locked" if self._pins.locked(agent, now) else ""
        if store is None or refusal:
            answer = {"ok": False, "error": refusal}
            return [ToEngine({"cmd": "answer", "ref": asked["ref"], "data": answer})]
        about = asked | {"agent": agent}
        return [Work("verify", "pin", lambda: callers.check_pin(store, agent, pin), about)]

    # ----------------------------------------------------------------- clients
    def client_gone(self, client: int) -> None:
        """A connection to control has ended."""
        self._subscribers.discard(client)

    @property
    def subscribers(self) -> frozenset[int]:
        """Clients to whom `Stream` goes."""
        return frozenset(self._subscribers)

    def from_client(self, client: int, message: Message, now: float) -> list[Effect]:
        """A request {"id", "method", "params"}."""
        request, method, params = message.get("id"), message.get("method"), message.get("params") or {}
        if not isinstance(method, str) or not isinstance(params, dict):
            return [failure(client, request, "bad_request", "a request needs a method and params (a group)")]
        handler = {
            "subscribe": self._subscribe,
            "desk": self._desk,
            "snapshot": self._snapshot,
            "status": self._status,
            "plan_changed": self._plan_changed,
            "flow_check": self._flow_check,
            "prompts": self._list_prompts,
            "send_message": self._send_message,
            "hardware": self._hardware,
            "line_test": self._card_work,
            "firmware": self._card_work,
            "claim": self._claim,
            "system": self._system,
            "checks": self._checks,
        }.get(method)
        if self._care.knows(method):
            return self._care.request(client, request, method, params)
        if handler is None:
            return [failure(client, request, "unknown_method", f"control has no method {method!r}")]
        return handler(client, request, params, now)

    def _subscribe(self, client: int, request: object, params: Message, now: float) -> list[Effect]:
        self._subscribers.add(client)
        effects: list[Effect] = [result(client, request, {})]
        effects.append(health.event(client, "status", self._summary()))
        if self._live is not None:
            effects.append(health.event(client, "live", self._live))
        return [*effects, *(health.event(client, "pop", pop) for pop in self._pops.shown.values())]

    def _desk(self, client: int, request: object, params: Message, now: float) -> list[Effect]:
        verb, agent, args = params.get("verb"), params.get("agent"), params.get("args") or {}
        if verb not in DESK_VERBS:
            return [failure(client, request, "unknown_verb", f"there is no desk request {verb!r}")]
        if not isinstance(agent, str) or not isinstance(args, dict):
            return [
                failure(
                    client, request, "bad_request", "a desk request needs agent (text) and args (a group)"
                )
            ]
        if not self._engine_up:
            return [failure(client, request, "engine_away", ENGINE_AWAY)]
        ref = self._requests.add(client, request, now)
        return [ToEngine({"cmd": "desk", "ref": ref, "verb": verb, "agent": agent, "args": args})]

    def _snapshot(self, client: int, request: object, params: Message, now: float) -> list[Effect]:
        if not self._engine_up:
            return [failure(client, request, "engine_away", ENGINE_AWAY)]
        if self._live is not None:
            return [result(client, request, self._live)]
        self._requests.add_live(client, request, now)
        return [ToEngine({"cmd": "snapshot"})]

    def _status(self, client: int, request: object, params: Message, now: float) -> list[Effect]:
        return [Work("status", "status", self._probe, {"client": client, "request": request})]

    def _plan_changed(self, client: int, request: object, params: Message, now: float) -> list[Effect]:
        if self._gate.store is None:
            return [failure(client, request, "store_away", self._gate.problem)]
        return [self._compile({"client": client, "request": request})]

    def _flow_check(self, client: int, request: object, params: Message, now: float) -> list[Effect]:
        store = self._gate.store
        if store is None:
            return [failure(client, request, "store_away", self._gate.problem)]
        flow = params.get("flow")
        about = {"client": client, "request": request, "key": "problems"}
        return [
            Work("plan", "reply", lambda: check_flow(store, flow, prompt_files.names(*self._prompts)), about)
        ]

    def _list_prompts(self, client: int, request: object, params: Message, now: float) -> list[Effect]:
        about = {"client": client, "request": request, "key": "prompts"}
        return [Work("plan", "reply", lambda: prompt_files.catalogue(*self._prompts), about)]

    def _send_message(self, client: int, request: object, params: Message, now: float) -> list[Effect]:
        store = self._gate.store
        if store is None:
            return [failure(client, request, "store_away", self._gate.problem)]
        about = {"client": client, "request": request}
        return [Work("write", "write_message", lambda: messages.write(store, params), about)]

    def _hardware(self, client: int, request: object, params: Message, now: float) -> list[Effect]:
        return [result(client, request, self._box.hardware())]

    def _card_work(self, client: int, request: object, params: Message, now: float) -> list[Effect]:
        """Work on a card is begun; how it goes is told as `card_work` and in `hardware`."""
        texts = ("port",) if "port" in params else ("card", "data")
        if not all(isinstance(params.get(name), str) for name in texts):
            text = "a line test needs port (text), new firmware card and data (text)"
            return [failure(client, request, "bad_request", text)]
        if not self._engine_up:
            return [failure(client, request, "engine_away", ENGINE_AWAY)]
        self._last_work += 1
        ref = f"control-{self._link}-{self._last_work}"
        command = {"cmd": "line_test" if "port" in params else "firmware", "ref": ref}
        given = {name: params[name] for name in texts}
        force = {} if "port" in params else {"force": bool(params.get("force"))}
        return [ToEngine(command | given | force), result(client, request, {"ref": ref})]

    def _checks(self, client: int, request: object, params: Message, now: float) -> list[Effect]:
        about = {"client": client, "request": request}

        def look() -> Message:
            known = self._box.facts(
                self._wall_clock(), self._summary(), self._details(), self._live or {}, self._care.states()
            )
            return {"findings": self._care.findings(known), "busy": self._care.busy}

        return [Work("status", "care", look, about)]

    def _unsent(self) -> list[Effect]:
        """Messages that the engine may not know of. On the lane of the writing: what is read here as not sent
        is handed over before the engine hears that its fate is stored, so that it still knows it."""
        store = self._gate.store
        if store is None or not self._engine_up:
            return []
        return [Work("write", "unsent", store.messages.unsent, {"link": self._link})]

    def _claim(self, client: int, request: object, params: Message, now: float) -> list[Effect]:
        """{"code"}: the code that claims a new box, "" once it has an administrator."""
        store = self._gate.store
        if store is None:
            return [failure(client, request, "store_away", self._gate.problem)]
        about = {"client": client, "request": request, "key": "code"}
        return [Work("write", "reply", lambda: store.claim.code() or "", about)]

    def _system(self, client: int, request: object, params: Message, now: float) -> list[Effect]:
        method, given = params.get("method"), params.get("params") or {}
        if not isinstance(method, str) or not isinstance(given, dict):
            return [failure(client, request, "bad_request", "system needs a method and params (a group)")]
        try:
            lane = system.lane(method)
        except ValueError as error:
            return [failure(client, request, "unknown_method", str(error))]
        about = {"client": client, "request": request, "key": "answer"}
        return [Work(lane, "reply", lambda: system.ask(system_socket(), method, given), about)]

    # -------------------------------------------------------------------- work
    def done(self, work: Work, value: Any, error: BaseException | None, now: float) -> list[Effect]:
        """The outcome of a `Work`: its value, or the error that ended it."""
        store_before = self._gate.store
        if isinstance(error, StoreError):
            if work.name != "open":
                log.warning("%s: %s", work.name, error)
            self._gate.failed(error, now)
        elif error is not None and work.name not in EXPECTED:
            log.error("%s failed", work.name, exc_info=error)
        effects = self._outcome(work, value, error, now)
        if self._gate.store is not store_before or isinstance(error, StoreError):
            effects += self._tell_status()
        return effects

    def _outcome(self, work: Work, value: Any, error: BaseException | None, now: float) -> list[Effect]:
        about = work.about
        if work.name == "open":
            return self._opened(value, error, now)
        if work.name == "record":
            effects = self._records.done(value, error, self._link, now)
            return [*effects, *self._records.step(self._gate.store, now)]
        if work.name == "message":
            effects = self._messages.done(value, error, self._link, now)
            return [*effects, *self._messages.step(self._gate.store, now)]
        if work.name == "write_message":
            handed = [messages.hand_over(value)] if value is not None and self._engine_up else []
            return [self._reply(about, value, error), *(messages.tell(value) if value else []), *handed]
        if work.name == "unsent":
            same = value is not None and about["link"] == self._link
            return [messages.hand_over(row) for row in value] if same else []
        if work.name == "pop":
            return self._pops.joined(about, value)
        if work.name == "ask":
            return self._answer(about, value, now)
        if work.name == "pin":
            problem = "store_away" if error is not None else str(value)
            self._pins.tried(str(about["agent"]), problem, now)
            return self._answer(about, {"ok": not problem, "error": problem}, now)
        if work.name == "warm":
            return []
        if work.name == "compile":
            return self._compiled(about, value, error)
        if work.name == "reply":
            return [self._reply(about, {about["key"]: value}, error)]
        if work.name == "care":
            return [self._reply(about, value, error)]
        if work.name == care.JOB:
            return self._cared(self._care.job_done(value, error), now)
        if work.name == "status":
            self._probed(value)
            return [self._reply(about, self._summary() | self._details(), error)]
        self._schedule.finished(work.name, now)
        return self._job_done(work.name, value)

    def _opened(self, store: Store | None, error: BaseException | None, now: float) -> list[Effect]:
        if not self._gate.opened(store, error, now):
            return self._tell_status()
        log.info("the database is open")
        assert store is not None
        warm = Work("read", "warm", lambda: callers.pop_content(store, WARM_NUMBER, ""))
        waiting = [*self._records.step(store, now), *self._messages.step(store, now)]
        return [warm, self._compile({}), *waiting, *self._unsent()]

    def _cared(self, next_step: str, now: float) -> list[Effect]:
        if next_step == REPUBLISH and self._gate.store is not None:
            return [self._compile({})]
        if next_step == REOPEN:
            return [*self._gate.reopen(now), *self._tell_status()]
        return []

    def _answer(self, asked: Message, data: Message | None, now: float) -> list[Effect]:
        if asked["link"] != self._link or now > asked["until"]:
            return []
        return [ToEngine({"cmd": "answer", "ref": asked["ref"], "data": data})]

    def _reply(self, about: Message, value: Any, error: BaseException | None) -> Effect:
        client, request = int(about["client"]), about["request"]
        if error is None:
            return result(client, request, value)
        refused = isinstance(error, InvalidRow | NotFound)
        code = "store_away" if isinstance(error, StoreError) else "bad_request" if refused else "failed"
        if isinstance(error, BackupError):
            code = error.code
        return failure(client, request, code, str(error) or type(error).__name__)

    # -------------------------------------------------------------------- plan
    def _compile(self, about: Message) -> Work:
        store = self._gate.store
        assert store is not None
        ports = self._plan.ports or NO_PORTS
        job = planning.CompileJob(store, self._home.plan, self._prompts, ports, spoken=self._spoken)
        return Work("plan", "compile", job, about)

    def _compiled(
        self, about: Message, outcome: planning.Outcome | None, error: BaseException | None
    ) -> list[Effect]:
        effects: list[Effect] = []
        if outcome is None:
            self._plan.problems = [str(error)]
        else:
            self._plan.take(outcome, self._wall_clock())
            if outcome.compiled.plan is not None and self._engine_up:
                effects.append(ToEngine({"cmd": "plan", "plan": outcome.compiled.plan}))
        if "client" in about:
            effects.append(self._reply(about, self._plan.as_dict(), error))
        return [*effects, *self._heed_ports(), *self._tell_status()]

    def _heed_ports(self) -> list[Effect]:
        """On the first start the box fills its tables from the ports that the engine has found; later what
        has no socket on this kind of board gets one."""
        store, ports = self._gate.store, self._box.ports()
        if store is None or ports is None or ports == self._plan.ports or not self._plan.tried:
            return []
        self._plan.ports = ports
        if not self._plan.empty and not seats.misplaced(self._plan.good or {}, [*ports.lines, *ports.phones]):
            return []
        job = planning.CompileJob(
            store, self._home.plan, self._prompts, ports, self._plan.empty, self._flows, self._spoken
        )
        return [Work("plan", "compile", job)]

    # -------------------------------------------------------------------- jobs
    def _probe(self) -> health.Probe:
        return health.probe(self._home, self._gate.store)

    def _probed(self, value: health.Probe | None) -> None:
        if value is not None:
            self._box.probe = value

    def _retention(self) -> retention.Sweep | None:
        store = self._gate.store
        if store is None:
            return None
        keep_days = store.settings.get("recording.keep_days")
        quota_bytes = store.settings.get("recording.quota_mb") * 1_000_000
        return retention.sweep(store, self._home, self._wall_clock(), keep_days, quota_bytes)

    def _say_claim(self) -> dict[str, str] | None:
        store = self._gate.store
        return None if store is None else self._spoken(store)

    def _claim_looked_at(self, said: dict[str, str] | None) -> list[Effect]:
        """The plan is compiled anew when a lifted telephone has to say something else."""
        if said is None or self._plan.good is None or self._gate.store is None:
            return []
        now = self._plan.good.get("claim") or {}
        wanted = {"code": said.get("code", ""), "address": said.get("address", "")}
        return [] if all(now.get(name, "") == text for name, text in wanted.items()) else [self._compile({})]

    def _daily_backup(self) -> None:
        job = self._care.daily()
        if job is not None:
            job()
        store = self._gate.store
        if store is not None:
            store.prune_copies(self._wall_clock())

    def _job_done(self, name: str, value: Any) -> list[Effect]:
        if name == "daily_backup":
            return []
        if name == "claim":
            return self._claim_looked_at(value)
        if name == "retention":
            self._box.retention_problems = value.problems if value is not None else []
            return []
        before = self._box.probe.disk.level
        self._probed(value)
        disk = self._box.probe.disk
        effects: list[Effect] = []
        if disk.level != before and disk.level in ("warn", "alarm"):
            level = "error" if disk.level == "alarm" else "warning"
            effects.append(
                Stream("notice", {"level": level, "code": f"disk_{disk.level}", "data": disk.as_dict()})
            )
        return [*effects, *self._tell_status()]

    # -------------------------------------------------------------------- time
    def tick(self, now: float) -> list[Effect]:
        """Time has passed: timeouts, retries, jobs."""
        had_store = self._gate.store is not None
        effects = [*self._gate.tick(now), *self._pops.tick(now), *self._requests.tick(now)]
        effects += self._records.step(self._gate.store, now)
        effects += self._messages.step(self._gate.store, now)
        if now >= self._unsent_due_s:
            self._unsent_due_s = now + UNSENT_S
            effects += self._unsent()
        effects += [
            Work(care.LANE if name == "daily_backup" else "slow", name, run)
            for name, run in self._schedule.start_due(now)
        ]
        if had_store and self._gate.store is None:
            effects += self._tell_status()
        return effects

    def due(self, now: float) -> float:
        """When `tick` is needed next at the latest."""
        times = [self._gate.due(), self._pops.due(), self._requests.due(), self._schedule.due()]
        if self._gate.store is not None:
            times += [self._records.due(), self._messages.due()]
        return min((time for time in times if time is not None and time > now), default=now + 1.0)

    def close(self) -> None:
        """Close the store."""
        self._gate.close()

    # ------------------------------------------------------------------ status
    def _summary(self) -> Message:
        return self._box.summary(self._gate.problem, self._plan.as_dict())

    def _details(self) -> Message:
        return self._box.details(self._records, self._messages)

    def _tell_status(self) -> list[Effect]:
        summary = self._summary()
        if summary == self._told:
            return []
        self._told = summary
        return [Stream("status", summary)]
