"""Run a story from beginning to end and say how it went."""

from __future__ import annotations

import json
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance.scenario import expecting
from appliance.scenario.model import Story
from appliance.scenario.reading import read_story, title_and_failure
from appliance.scenario.stage import Stage
from appliance.scenario.text import StoryError

QUIET_AFTER_S = 1.0
"""Virtual seconds between the end of the last call and the end of the story, for records to be stored."""


@dataclass
class Outcome:
    """How a story went. `failures` are dicts {at_s, line, who, expected, happened}."""

    story: Story
    failures: list[dict[str, Any]]
    records: list[dict[str, Any]]
    events: list[dict[str, Any]]
    recordings: list[str]
    virtual_s: float
    seconds: float
    """Real seconds."""
    home: Path
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether the story came true, or failed as it said it would."""
        if self.story.should_fail is None:
            return not self.failures
        return any(self.story.should_fail in sentence(f) for f in self.failures)

    def document(self) -> dict[str, Any]:
        """The JSON document of `--json`."""
        return {
            "story": self.story.title,
            "file": str(self.story.path),
            "ok": self.ok,
            "should_fail": self.story.should_fail,
            "failures": [failure | {"text": sentence(failure)} for failure in self.failures],
            "records": self.records,
            "events": self.events,
            "recordings": self.recordings,
            "virtual_s": self.virtual_s,
            "seconds": round(self.seconds, 3),
            "home": str(self.home),
        }

    def lines(self) -> list[str]:
        """What is printed for people: one line when all is well, else one per broken expectation."""
        name, title = self.story.path.name, self.story.title
        speed = self.virtual_s / self.seconds if self.seconds else 0.0
        took = f"{self.virtual_s:.0f} s in {self.seconds:.1f} s, {speed:.0f} times real time"
        if self.ok and self.story.should_fail is not None:
            return [f"ok   {name}: {title} (failed as it should; {took})"]
        if self.ok:
            return [f"ok   {name}: {title} ({len(self.records)} records; {took})"]
        out = [f"FAIL {name}: {title} ({took})"]
        if self.story.should_fail is not None:
            missing = f"it should fail with `{self.story.should_fail}`"
            instead = "it came true" if not self.failures else "it failed otherwise"
            out.append(f"  {name}:{self.story.should_fail_line}: {missing}, but {instead}")
        return out + [f"  {name}:{f['line']}: {sentence(f)}" for f in self.failures]


def sentence(failure: dict[str, Any]) -> str:
    """One failure in one line."""
    who = f"{failure['who']} " if failure["who"] else ""
    return f"at {failure['at_s']:.2f} s: {who}expected {failure['expected']}; {failure['happened']}"


def play(path: Path, home: Path, seed: int | None = None) -> Outcome:
    """Read and perform a file. A file that cannot be understood raises StoryError, unless its `should fail`
    asks for just that. Raises OSError when it cannot be read."""
    try:
        story = read_story(path)
        if seed is not None:
            story.seed = seed
        return perform(story, home)
    except StoryError as error:
        title, wished = title_and_failure(path)
        if wished is None or wished not in error.message:
            raise
        failure = {"at_s": 0.0, "line": error.line, "who": "", "happened": error.message}
        failure["expected"] = "a story that can be played"
        story = Story(path.resolve(), title, should_fail=wished)
        return Outcome(story, [failure], [], [], [], 0.0, 0.0, home)


def perform(story: Story, home: Path) -> Outcome:
    """Play a story in the empty folder `home`. Raises StoryError where the box refuses its settings."""
    begin_s = time.perf_counter()
    stage = Stage(story, home)
    try:
        try:
            _play(stage)
            _finish(stage)
        except Exception as error:
            # a defect of the box is a failure of the story like any other, with its trace for who mends it
            traceback.print_exc()
            stage.fail("the box to keep running", f"it broke down: {type(error).__name__}: {error}", 1)
        records = _records(stage)
        expecting.check(stage, records, home)
        found = [home / r["recording"] for r in records if r["recording"]]
        recordings = [str(path.resolve()) for path in found if path.is_file()]
        return Outcome(
            story,
            stage.failures,
            records,
            stage.events,
            recordings,
            round(stage.now_s, 2),
            time.perf_counter() - begin_s,
            home,
        )
    finally:
        stage.box.close()


def _play(stage: Stage) -> None:
    """Until everybody has finished."""
    while not all(actor.finished for actor in stage.actors):
        if stage.now_s >= stage.story.longest_s:
            for actor in stage.actors:
                if not actor.finished:
                    step = actor.step
                    line = step.line if step else actor.person.line
                    at = f"`{step.text}`" if step else "the beginning"
                    stage.fail(
                        f"the story to be over after {stage.story.longest_s:g} s",
                        f"{actor.person.title} was still at {at} (`longest: 20 min` gives more time)",
                        line,
                        actor.person.title,
                    )
                    actor.finished = True
                    stage.leave(actor)
        stage.tick()


def _finish(stage: Stage) -> None:
    """Let the calls come to their end and the records reach the database."""
    for actor in stage.actors:
        actor.keep_saying(None)
    limit_s = stage.now_s + stage.story.settle_s
    while not stage.box.idle and stage.now_s < limit_s:
        stage.tick()
    if not stage.box.idle:
        calls = [f"{c['id']} ({c['state']})" for c in stage.snapshot()["calls"]]
        stage.fail(
            f"all calls to be over {stage.story.settle_s:g} s after the last step",
            f"still in progress: {', '.join(calls)}. Let somebody hang up",
            stage.story.wanted.line or 1,
        )
    end_s = stage.now_s + QUIET_AFTER_S
    while stage.now_s < end_s:
        stage.tick()


def _records(stage: Stage) -> list[dict[str, Any]]:
    """All final call records, oldest first, plain data."""
    found = dict(stage.box.records)
    for record in stage.box.spooled():
        found.setdefault(record["id"], record)
    ordered = sorted(found.values(), key=lambda r: (r["started_at"], r["id"]))
    plain: list[dict[str, Any]] = json.loads(json.dumps(ordered))
    return plain
