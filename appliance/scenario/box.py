"""The box of a story: the real engine, control and store in one process, wired without sockets."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import soundfile

from appliance.control.compile import compile_plan, write_plan
from appliance.control.control import Control
from appliance.control.effects import Effect, Stream, ToClient, ToEngine, Work
from appliance.core.plan import Plan
from appliance.engine import plans
from appliance.engine.engine import Engine
from appliance.paths import SHIPPED_PROMPTS, Home
from appliance.scenario import disk
from appliance.scenario.flows import known_prompts
from appliance.scenario.model import Row, Story
from appliance.scenario.sounds import RATE_HZ
from appliance.scenario.text import StoryError
from appliance.store import InvalidRow, Store, StoreError, open_store
from board import api
from board.sim import SimBoard

EPOCH_S = 1_767_574_800.0
"""Unix time at which every story begins: 2026-01-05 09:00 in China (01:00 UTC)."""
LOCKED_FOR_S = 0.05
"""Real seconds that the store waits for a locked database; the virtual clock stands still meanwhile."""
DESK = 1
"""Number of the only client of control: everybody's desk."""

Told = Callable[[str, dict[str, Any]], None]


class Lent:
    """A card that outlives the engine that uses it."""

    def __init__(self, board: SimBoard) -> None:
        self._board = board
        self.id = board.id
        self.caps = board.caps
        self.ports = board.ports
        self.read = board.read
        self.write = board.write
        self.command = board.command
        self.measure = board.measure

    def close(self) -> None:
        """The card stays."""


class Box:
    """Engine, control and store on a data directory of their own."""

    def __init__(
        self,
        story: Story,
        home: Path,
        board: SimBoard,
        port_name: Callable[[str], str],
        told: Told,
        now_s: Callable[[], float],
    ) -> None:
        """`told(topic, data)` gets what browsers would get. Raises StoryError for settings refused."""
        self.home = Home(home)
        self.home.create()
        self._now_s = now_s
        self._told = told
        self._card: api.Board = Lent(board)
        self._from_engine: deque[dict[str, Any]] = deque()
        self._control: Control | None = None
        self._claim = story.box.claim
        self._requests: dict[int, Callable[[str], None]] = {}
        self._last_request = 0
        self._lock: disk.DatabaseLock | None = None
        self.records: dict[str, dict[str, Any]] = {}
        """Final call records by id, as they left the engine."""
        self.store = open_store(self.home.database, self._unix_s)
        try:
            self._write_prompts(story)
            self._fill(story, port_name)
            self._compile(story)
        except StoryError:
            self.store.close()
            raise
        self.engine = self._new_engine()
        self.start_control()

    def _unix_s(self) -> float:
        return EPOCH_S + self._now_s()

    # ------------------------------------------------------------------- set-up
    def _write_prompts(self, story: Story) -> None:
        folder = self.home.prompts / story.box.language
        folder.mkdir(parents=True, exist_ok=True)
        for name, sound in story.box.prompts.items():
            soundfile.write(folder / f"{name}.wav", sound, RATE_HZ, subtype="PCM_16")

    def _fill(self, story: Story, port_name: Callable[[str], str]) -> None:
        box, store, who = story.box, self.store, "story"
        for percent, value in (("disk.alarm_percent", 99), ("disk.warn_percent", 98)):
            store.settings.set(percent, value, who)
        for key, row in box.settings.items():
            self._put(row, partial(store.settings.set, key, row.values["value"], who))
        for name, row in box.queues.items():
            self._put(row, partial(store.queues.put, {"id": name, **row.values}))
        for name, row in box.flows.items():
            definition = {"start": row.values.get("start"), "nodes": row.values.get("nodes")}
            flow = {"id": name, "title": row.values.get("title", ""), "definition": definition}
            self._put(row, partial(store.flows.put, flow, who))
            store.flows.publish(name, who=who)
        for name, row in box.lines.items():
            self._put(row, partial(store.lines.put, {"id": name, "port": port_name(name), **row.values}))
        for ext, row in box.phones.items():
            self._put(row, partial(store.phones.put, {"ext": ext, "port": port_name(ext)}))
        for row in box.agents.values():
            values = {key: value for key, value in row.values.items() if key != "phone"}
            self._put(row, partial(store.agents.put, values))
        for row in box.blacklist:
            self._put(row, partial(store.blacklist.put, row.values))
        for row in box.customers:
            self._put(row, partial(store.customers.add, row.values))

    def _put(self, row: Row, put: Callable[[], Any]) -> None:
        try:
            put()
        except InvalidRow as error:
            raise StoryError(row.line, f"the box refuses this: {'; '.join(error.problems)}.") from error

    def _compile(self, story: Story) -> None:
        compiled = compile_plan(self.store, known_prompts(story), story.box.claim)
        if compiled.plan is None or compiled.warnings:
            problems = "; ".join([*compiled.problems, *compiled.warnings])
            raise StoryError(1, f"the box refuses these settings: {problems}.")
        write_plan(self.home.plan, compiled.plan)
        Plan.from_dict(compiled.plan)

    def _new_engine(self) -> Engine:
        found = plans.load(self.home)
        engine = Engine([self._card], self.home, found.plan, self._unix_s, self._publish)
        if found.code:
            engine.notice(found.code, found.data, "error")
        return engine

    # --------------------------------------------------------------------- tick
    def tick(self) -> None:
        """Move the box on by 20 ms: the engine's tick, then control's messages."""
        self.engine.run_tick()
        self._pump()

    def _pump(self) -> None:
        control = self._control
        if control is None:
            return
        now = self._now_s()
        effects = deque(control.tick(now))
        while effects or self._from_engine:
            if not effects:
                effects.extend(control.from_engine(self._from_engine.popleft(), now))
                continue
            self._carry_out(control, effects, now)

    def _carry_out(self, control: Control, effects: deque[Effect], now: float) -> None:
        effect = effects.popleft()
        if isinstance(effect, ToEngine):
            self.engine.command(effect.message)
        elif isinstance(effect, Stream):
            self._told(effect.topic, effect.data)
        elif isinstance(effect, ToClient):
            self._answered(effect.message)
        else:
            effects.extendleft(reversed(self._work(control, effect, now)))

    def _work(self, control: Control, work: Work, now: float) -> list[Effect]:
        # the shell of control hands every error of its threads to `done`, which knows what to do with it
        try:
            value = work.run()
        except Exception as error:
            return control.done(work, None, error, now)
        return control.done(work, value, None, now)

    def _publish(self, topic: str, data: dict[str, Any]) -> bool:
        if topic == "record" and data.get("final") is not False:
            self.records[data["id"]] = data["record"]
        if self._control is None:
            return False
        self._from_engine.append({"event": topic, "data": json.loads(json.dumps(data))})
        return True

    # ------------------------------------------------------------------ control
    @property
    def control_runs(self) -> bool:
        """Whether the control process is there."""
        return self._control is not None

    def start_control(self) -> None:
        """Begin, or begin again; nothing happens when it runs already."""
        if self._control is not None:
            return
        self._control = Control(
            self.home, self._unix_s, self._open, SHIPPED_PROMPTS, spoken=lambda store: self._claim
        )
        now = self._now_s()
        effects = deque([*self._control.tick(now), *self._control.engine_up(now)])
        while effects:
            self._carry_out(self._control, effects, now)
        self.engine.connected()

    def _open(self, path: Path) -> Store:
        return open_store(path, self._unix_s, LOCKED_FOR_S)

    def stop_control(self) -> None:
        """The process is gone; what it had not worked off is lost."""
        if self._control is None:
            return
        self._control.close()
        self._control = None
        self._from_engine.clear()
        for done in self._requests.values():
            done("engine_away")
        self._requests.clear()

    def desk(self, agent: str, verb: str, args: dict[str, Any], done: Callable[[str], None]) -> None:
        """A desk request; `done` gets "" or the code of the refusal."""
        if self._control is None:
            done("control_away")
            return
        self._last_request += 1
        self._requests[self._last_request] = done
        params = {"verb": verb, "agent": agent, "args": args}
        request = {"id": self._last_request, "method": "desk", "params": params}
        effects = deque(self._control.from_client(DESK, request, self._now_s()))
        while effects:
            self._carry_out(self._control, effects, self._now_s())

    def _answered(self, message: dict[str, Any]) -> None:
        done = self._requests.pop(message["id"], None)
        if done is None:
            return
        if "error" in message:
            done(str(message["error"]["code"]))
        else:
            done(str(message["result"].get("error", "")))

    def note(self, call: str, agent: str, text: str) -> str:
        """Save a note as the page does; returns what is wrong, or ""."""
        try:
            self.store.calls.note(call, agent, text)
        except (InvalidRow, StoreError) as error:
            return str(error)
        return ""

    # ------------------------------------------------------------------- faults
    def recordings_are(self, state: str) -> None:
        """Trouble with the disk: "read-only", "full", or "writable" again."""
        disk.recordings_are(state)

    def lock_database(self) -> Callable[[], None]:
        """Hold the write lock from outside; call the result to let go. Nothing happens when it is held."""
        if self._lock is not None:
            return lambda: None
        self._lock = disk.DatabaseLock(self.home.database)

        def release() -> None:
            if self._lock is not None:
                self._lock.release()
                self._lock = None

        return release

    def spoil_plan(self, damaged: bool) -> None:
        """Overwrite the compiled settings with rubbish, or delete them."""
        if damaged:
            self.home.plan.write_text('{"version": 1, "lines": [{"id": ', encoding="utf-8")
        else:
            self.home.plan.unlink(missing_ok=True)

    def restart_engine(self) -> None:
        """End the engine and start another one on the same card."""
        self.engine.close()
        control, now = self._control, self._now_s()
        if control is not None:
            effects = deque(control.engine_down("the engine restarts", now))
            while effects:
                self._carry_out(control, effects, now)
            self._from_engine.clear()
        self.engine = self._new_engine()
        if control is not None:
            effects = deque(control.engine_up(now))
            while effects:
                self._carry_out(control, effects, now)
            self.engine.connected()

    # --------------------------------------------------------------------- end
    @property
    def idle(self) -> bool:
        """No call is up."""
        return not self.engine.snapshot()["calls"]

    def spooled(self) -> list[dict[str, Any]]:
        """Final records that control has not taken yet."""
        found = []
        for path in sorted(self.home.spool.glob("*.json")):
            kept = json.loads(path.read_text(encoding="utf-8"))
            if kept.get("final"):
                found.append(kept["record"])
        return found

    def close(self) -> None:
        """Stop everything. Idempotent."""
        disk.recordings_are("writable")
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        self.engine.close()
        if self._control is not None:
            self._control.close()
            self._control = None
        self.store.close()
