"""The stage: box, office and people on one virtual clock, tick by tick.

mouths ─► office ─► box (one tick) ─► office ─► ears ─► scripts
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from appliance.paths import SHIPPED_PROMPTS
from appliance.scenario import sounds
from appliance.scenario.actors import TICK_S, Actor, Broken
from appliance.scenario.box import Box
from appliance.scenario.ear import Cadence, LoopListener
from appliance.scenario.model import Person, Story
from appliance.scenario.office import People, open_board
from board.sim import OfficeError, OutsidePhone, TelephoneSet
from board.sim.country import COUNTRIES

TONES = ("dial", "ringback", "busy", "congestion", "howler")
SHOWN_TOPICS = frozenset({"pop", "pop_end", "notice", "call"})
"""What of the box's announcements goes into the list of events; the live board would fill pages."""


class Stage:
    """One performance of a story."""

    def __init__(self, story: Story, home: Path) -> None:
        """`home`: empty folder for the box's data. Raises StoryError where the box refuses the settings."""
        self.story = story
        self.ticks = 0
        self.events: list[dict[str, Any]] = []
        self.signals: set[str] = set()
        self.failures: list[dict[str, Any]] = []
        self.board = open_board(story)
        self.people = People(story, self.board)
        self.box = Box(story, home, self.board, self.people.port_name, self._told, lambda: self.now_s)
        self.actors = [Actor(person, self) for person in story.people]
        self._snapshot: dict[str, Any] = {}
        self._snapshot_at = -1
        self._handles: dict[str, OutsidePhone | TelephoneSet | None] = {}
        for actor in self.actors:
            self._handles[actor.person.title] = self._handle(actor.person)
        self.cadences = _cadences(story.box.country)
        self._music: dict[str, LoopListener] = {}
        self._prompts: dict[str, sounds.Samples] = dict(story.box.prompts)

    @property
    def now_s(self) -> float:
        """Virtual seconds since the story began."""
        return self.ticks * TICK_S

    # --------------------------------------------------------------------- tick
    def tick(self) -> None:
        """Move everything on by 20 ms."""
        for actor in self.actors:
            handle = self._handles[actor.person.title]
            block = actor.next_block()
            if handle is not None and block.any():
                handle.feed(block)
        self.box.tick()
        self.ticks += 1
        for actor in self.actors:
            handle = self._handles[actor.person.title]
            if handle is not None:
                actor.ear.append(handle.listen())
        for actor in self.actors:
            self._act(actor)

    def _act(self, actor: Actor) -> None:
        try:
            actor.act()
        except Broken as broken:
            self._give_up(actor, broken.expected, broken.happened)
        except OfficeError as error:
            step = actor.step
            self._give_up(actor, f"`{step.text if step else 'the script'}` to be possible", str(error))

    def _give_up(self, actor: Actor, expected: str, happened: str) -> None:
        line = actor.step.line if actor.step else actor.person.line
        self.fail(expected, happened, line, actor.person.title)
        actor.finished = True
        self.leave(actor)

    def leave(self, actor: Actor) -> None:
        """Somebody whose script has failed goes home, so that the others can come to their end."""
        actor.say_nothing()
        handle = self._handles[actor.person.title]
        if handle is not None:
            handle.hang_up()

    def fail(self, expected: str, happened: str, line: int, who: str = "") -> None:
        """Note an expectation that did not come true."""
        at_s = round(self.now_s, 2)
        self.failures.append(
            {"at_s": at_s, "line": line, "who": who, "expected": expected, "happened": happened}
        )
        self.log(who or "story", "failed", {"line": line, "expected": expected, "happened": happened})

    # ------------------------------------------------------------------- events
    def log(self, source: str, topic: str, data: dict[str, Any]) -> None:
        """Add to the list of events."""
        self.events.append({"at_s": round(self.now_s, 2), "source": source, "topic": topic, "data": data})

    def _told(self, topic: str, data: dict[str, Any]) -> None:
        """The box announced something."""
        if topic in SHOWN_TOPICS:
            self.log("box", topic, data)
        if topic == "pop":
            for actor in self.actors:
                if actor.person.role == "agent" and actor.person.number == data.get("agent"):
                    actor.pops.append(data)

    def notice_codes(self) -> list[str]:
        """Codes of all notices so far, in order."""
        return [
            e["data"].get("code", "") for e in self.events if e["source"] == "box" and e["topic"] == "notice"
        ]

    def snapshot(self) -> dict[str, Any]:
        """The live board as it is now; taken once a tick, however many people look at it."""
        if self._snapshot_at != self.ticks or not self._snapshot:
            self._snapshot, self._snapshot_at = self.box.engine.snapshot(), self.ticks
        return self._snapshot

    def situation(self) -> str:
        """Lines, agents and queues in a few words, for failures."""
        now = self.snapshot()
        parts = [f"{row['id']} {row['state']}" for row in now["lines"] if row["state"] != "idle"]
        parts += [
            f"{row['name']} {row['state']}" + (f" ({row['reason']})" if row.get("reason") else "")
            for row in now["agents"]
        ]
        parts += [f"{row['waiting']} waiting in {row['id']}" for row in now["queues"] if row["waiting"]]
        return "at that time: " + (", ".join(parts) or "everything idle")

    def call_on(self, line: str) -> str | None:
        """Id of the call on a line."""
        rows = self.snapshot()["lines"]
        return next((row["call"] or None for row in rows if row["id"] == line), None)

    # ------------------------------------------------------------------- sounds
    def prompt(self, name: str) -> sounds.Samples:
        """Reference sound of a prompt of the box."""
        if name not in self._prompts:
            self._prompts[name] = sounds.load(SHIPPED_PROMPTS / self.story.box.language / f"{name}.wav")
        return self._prompts[name]

    def music(self, name: str) -> LoopListener:
        """An ear for a looped prompt."""
        if name not in self._music:
            self._music[name] = LoopListener(self.prompt(name))
        return self._music[name]

    def known_prompts(self) -> list[tuple[str, sounds.Samples]]:
        """All prompts that a person could recognise, by name."""
        folder = SHIPPED_PROMPTS / self.story.box.language
        names = sorted({path.stem for path in folder.glob("*.wav")} | set(self.story.box.prompts))
        return [(name, self.prompt(name)) for name in names]

    def cadence(self, tone: str) -> Cadence:
        """A tone of the country."""
        return next(c for c in self.cadences if c.name == tone)

    # ------------------------------------------------------------------- people
    def actor(self, person: Person) -> Actor:
        """The actor who plays a person."""
        return next(a for a in self.actors if a.person is person)

    def _handle(self, person: Person) -> OutsidePhone | TelephoneSet | None:
        if person.role == "caller":
            return self.people.outside(person)
        if person.role in ("agent", "phone"):
            return self.people.telephone(person.ext)
        return None

    def _outside(self, a: Actor) -> OutsidePhone:
        handle = self._handles[a.person.title]
        assert isinstance(handle, OutsidePhone)
        return handle

    def _set(self, a: Actor) -> TelephoneSet:
        if a.person.role == "agent":
            self._handles[a.person.title] = self.people.telephone(a.person.ext)
        handle = self._handles[a.person.title]
        assert isinstance(handle, TelephoneSet)
        return handle

    def off_hook(self, a: Actor) -> bool:
        """Whether somebody has a receiver at the ear."""
        handle = self._handles[a.person.title]
        if isinstance(handle, OutsidePhone):
            return handle.state not in ("idle", "ringing")
        return handle is not None and handle.off_hook

    def place_call(
        self, a: Actor, line: str, number: str, name: str, cid: str | None, presentation: str
    ) -> bool:
        """An outside call to the box; returns whether the line was taken and busy tone came."""
        phone = self._outside(a)
        index = self.people.line_index(line)
        if presentation != "shown":
            method = {} if cid is None else {"callerid": cid}
            if method:
                self.people.change(line, method)
            phone.call(index, "", "", presentation)
        else:
            phone.call(index, number, name, cid)
        return phone.state == "busy_tone"

    def caller_connected(self, a: Actor) -> bool:
        """The box has answered, or was answered."""
        return self._outside(a).state == "talking"

    def caller_rings(self, a: Actor) -> bool:
        """The box is calling this telephone."""
        return self._outside(a).state == "ringing"

    def caller_left_alone(self, a: Actor) -> bool:
        """The box has left."""
        return self._outside(a).state in ("released", "idle")

    def caller_state(self, a: Actor) -> str:
        """In words, for failures."""
        words = {
            "idle": "not in a call",
            "calling": "ringing at the box, not answered",
            "busy_tone": "refused with busy tone",
            "ringing": "ringing here",
            "talking": "answered and in progress",
            "released": "ended by the box",
        }
        return words.get(self._outside(a).state, self._outside(a).state)

    def caller_answers(self, a: Actor) -> None:
        """Lift while the box calls."""
        self._outside(a).answer()

    def caller_hangs_up(self, a: Actor) -> None:
        """Receiver down."""
        self._outside(a).hang_up()

    def dialled_so_far(self) -> str:
        """Digits the exchange has understood, by line."""
        found = [f"{line} {digits}" for line, digits in self.people.dialled().items() if digits]
        return ", ".join(found) or "none"

    def phone_rings(self, a: Actor) -> bool:
        """The own telephone rings, between bursts too."""
        return self._set(a).ringing

    def display(self, a: Actor) -> tuple[str, str, str]:
        """(number, name, presentation) on the own telephone's caller display; empty words for nothing."""
        shown = self._set(a).display.shown
        if shown is None:
            return "", "", ""
        presentations = {"": "shown", "P": "withheld", "O": "unavailable"}
        return shown.number, shown.name, presentations[shown.presentation.value]

    def lamp(self, a: Actor) -> bool:
        """The message lamp of the own telephone is lit."""
        return self._set(a).lamp

    def lift(self, a: Actor) -> None:
        """Off hook."""
        self._set(a).lift()

    def hang_up_phone(self, a: Actor) -> None:
        """On hook."""
        self._set(a).hang_up()

    def flash(self, a: Actor, duration_ms: float) -> None:
        """Hook flash; raises Broken when the receiver is down."""
        if not self.off_hook(a):
            raise Broken("to flash", f"telephone {a.person.ext} is on the hook")
        self._set(a).flash(duration_ms)

    def pulse(self, a: Actor, digits: str) -> None:
        """Loop interruptions; raises Broken where there is no such telephone in the hand."""
        if a.person.role == "caller" or not self.off_hook(a):
            raise Broken("to dial by pulses", "only a lifted telephone of the box can do that")
        self._set(a).pulse(digits)

    def press(self, a: Actor, keys: str, **options: Any) -> None:
        """DTMF from the keypad."""
        handle = self._handles[a.person.title]
        assert handle is not None
        handle.press(keys, **options)

    def phone_in_call(self, a: Actor) -> bool:
        """Whether the own telephone takes part in a call."""
        states = {row["ext"]: row["state"] for row in self.snapshot()["phones"]}
        return states.get(a.person.ext) in ("ringing", "talking", "dialling")

    # --------------------------------------------------------------------- desk
    def desk(self, agent: str, verb: str, args: dict[str, Any], done: Callable[[str], None]) -> None:
        """A request from the browser; `done(error code or "")` is called when it has been answered."""
        self.box.desk(agent, verb, args, done)

    def note(self, a: Actor, text: str) -> str:
        """Write a note into the agent's call; returns what is wrong, or ""."""
        rows = [row for row in self.snapshot()["agents"] if row["number"] == a.person.number]
        call = rows[0].get("call") if rows else None
        if not call:
            calls = [
                e["data"]["call"]
                for e in self.events
                if e["topic"] == "pop" and e["data"].get("agent") == a.person.number
            ]
            call = calls[-1] if calls else None
        if not call:
            return f"{a.person.title} has had no call"
        return self.box.note(call, a.person.number, text)

    def customer_name(self, pop: dict[str, Any]) -> str:
        """What the desk shows as the customer of a pop."""
        return str(pop.get("customer_name") or "")


def _cadences(country: str) -> tuple[Cadence, ...]:
    found = []
    for name in TONES:
        spec = COUNTRIES[country].tones[name]
        frequencies = next(s.freqs_hz for s in spec.segments if s.freqs_hz)
        pattern = () if spec.continuous else tuple(s.ms / 1000.0 for s in spec.segments)
        found.append(Cadence(name, frequencies, pattern))
    return tuple(found)
