"""The plan in use, the one that could not be used, and the work that makes them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance.control import claiming, seats
from appliance.control.compile import NO_PORTS, Compiled, Ports, compile_plan, write_plan
from appliance.services import prompts as prompt_files
from appliance.store import SHIPPED_FLOWS, Store, seed_defaults

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """A compilation; write_problem says why the file could not be written, "" when it was."""

    compiled: Compiled
    write_problem: str = ""


@dataclass(frozen=True)
class CompileJob:
    """Fills an empty store (with `seed`), moves lines into real cards, compiles, writes `plan.json`.

    Runs on a thread of the shell.
    """

    store: Store
    path: Path
    prompts: tuple[Path, Path]
    ports: Ports = NO_PORTS
    seed: bool = False
    flows: Path = SHIPPED_FLOWS
    spoken: Callable[[Store], dict[str, str]] = claiming.spoken
    """What a lifted telephone says of claiming the box."""

    def __call__(self) -> Outcome:
        """Do it. Raises StoreError, SeedError."""
        ports, chosen = self.ports, self.store.settings
        if self.seed:
            # The owner may have come before the first card: what he has chosen stays.
            country, language = ports.country or chosen.get("country"), chosen.get("language")
            seeded = seed_defaults(self.store, ports.lines, ports.phones, country, language, self.flows)
            if seeded:
                log.info("first start: %d lines, %d telephones", len(ports.lines), len(ports.phones))
        seats.move_in(self.store, ports.lines, ports.phones)
        prompts = prompt_files.names(*self.prompts)
        compiled = compile_plan(self.store, prompts, self.spoken(self.store), ports)
        if compiled.plan is None:
            return Outcome(compiled)
        try:
            write_plan(self.path, compiled.plan)
        except OSError as error:
            return Outcome(compiled, f"{self.path} cannot be written: {error.strerror}; check the disk")
        return Outcome(compiled)


@dataclass
class PlanState:
    """good: the plan handed to the engine."""

    good: dict[str, Any] | None = None
    compiled_at: float | None = None
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    empty: bool = False
    ports: Ports | None = None
    """Of the cards, as last heard."""
    tried: bool = False
    """It has been compiled."""

    def take(self, outcome: Outcome, at: float) -> None:
        """A compilation has ended; a plan that cannot be used leaves the last good one in force."""
        compiled, self.tried = outcome.compiled, True
        self.problems, self.warnings, self.empty = (
            list(compiled.problems),
            list(compiled.warnings),
            compiled.empty,
        )
        if outcome.write_problem:
            self.warnings.append(outcome.write_problem)
        if compiled.plan is not None:
            self.good, self.compiled_at = compiled.plan, at

    def refused(self, data: dict[str, Any]) -> None:
        """The engine does not take the plan; it works on with its last one."""
        why = data.get("data") or {}
        found = why.get("problems") or [why.get("reason") or "no reason was given"]
        self.problems = [f"the call engine refuses the plan: {problem}" for problem in found]

    def as_dict(self) -> dict[str, Any]:
        """For the status page and for who changed settings."""
        return {
            "published": self.good is not None and not self.problems,
            "problems": self.problems,
            "warnings": self.warnings,
            "compiled_at": self.compiled_at,
            "empty": self.empty,
        }
