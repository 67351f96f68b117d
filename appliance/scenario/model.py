"""A story after reading: what the box is, who takes part, what they do and what must come out."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from appliance.scenario.matching import Match
from appliance.scenario.sounds import Samples
from appliance.scenario.vocabulary import Args, Verb


@dataclass(frozen=True)
class Step:
    """One sentence of a script. Times in seconds; None where the sentence says nothing."""

    line: int
    text: str
    verb: Verb
    args: Args
    at_s: float | None = None
    after_s: float | None = None
    within_s: float | None = None


@dataclass
class Person:
    """Somebody with a script. role: caller, agent, phone, supervisor or office."""

    name: str
    role: str
    line: int
    steps: list[Step] = field(default_factory=list)
    number: str = ""
    """Callers: their own telephone number. Agents: the work number."""
    ext: str = ""
    """Agents and phones: the telephone in front of them."""

    @cached_property
    def title(self) -> str:
        """As in the file: `caller Li`."""
        return f"{self.role} {self.name}".strip()


@dataclass(frozen=True)
class Row:
    """A row of configuration with the line it stands in."""

    line: int
    values: dict[str, Any]


@dataclass
class Box:
    """The box and the office around it."""

    country: str = "CN"
    language: str = "en"
    lines: dict[str, Row] = field(default_factory=dict)
    """Line id → fields of the line table."""
    circuits: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Line id → how its copper and its exchange behave (noise_dbm0, disconnect, …)."""
    office: dict[str, Any] = field(default_factory=dict)
    """Settings of the whole simulated office."""
    phones: dict[str, Row] = field(default_factory=dict)
    agents: dict[str, Row] = field(default_factory=dict)
    """Agent's name → fields of the agent table, plus `phone`."""
    queues: dict[str, Row] = field(default_factory=dict)
    flows: dict[str, Row] = field(default_factory=dict)
    """Flow id → {start, nodes, title}."""
    blacklist: list[Row] = field(default_factory=list)
    claim: dict[str, str] = field(default_factory=dict)
    """What a lifted telephone says; {} on a box that has its administrator."""
    customers: list[Row] = field(default_factory=list)
    settings: dict[str, Row] = field(default_factory=dict)
    """Key of the settings table → {"value": …}."""
    prompts: dict[str, Samples] = field(default_factory=dict)
    """The story's own prompts."""
    numbers: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Outside number → {"fate" (a key of `office.FATES`), "after_s", "says" (samples or None)}."""


@dataclass(frozen=True)
class WantedRecord:
    """One call record that must come out."""

    line: int
    fields: dict[str, Match]
    recording: bool | None = None
    hears: tuple[tuple[int, str, Any], ...] = ()
    """What the recording must contain: (line, kind, value): kind person, prompt, music, keys or tone."""
    lacks: tuple[tuple[int, str, Any], ...] = ()
    steps: tuple[str, ...] = ()
    """`what` of steps that must appear in this order."""


@dataclass
class Wanted:
    """What must hold when the story is over."""

    line: int = 0
    records: list[WantedRecord] | None = None
    more_records: bool = False
    record_count: Match | None = None
    events: list[tuple[int, dict[str, Match]]] = field(default_factory=list)
    no_events: list[tuple[int, dict[str, Match]]] = field(default_factory=list)
    customers: list[tuple[int, dict[str, Match]]] = field(default_factory=list)
    notes: list[tuple[int, dict[str, Match]]] = field(default_factory=list)
    stored: bool = True
    """Whether every record must also have reached the database."""


@dataclass
class Story:
    """A whole file."""

    path: Path
    title: str
    seed: int = 1
    box: Box = field(default_factory=Box)
    people: list[Person] = field(default_factory=list)
    wanted: Wanted = field(default_factory=Wanted)
    should_fail: str | None = None
    should_fail_line: int = 0
    longest_s: float = 600.0
    settle_s: float = 30.0
    """How long after the last step the calls may take to come to their end."""

    def person(self, name: str) -> Person | None:
        """Somebody by name or by whole heading; None when nobody, or several, are called that."""
        wanted = " ".join(name.split()).lower()
        found = [p for p in self.people if wanted in (p.name.lower(), p.title.lower(), p.ext, p.number)]
        exact = [p for p in found if wanted == p.title.lower()]
        if len(exact) == 1:
            return exact[0]
        return found[0] if len(found) == 1 else None
