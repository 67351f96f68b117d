"""From a file to a `Story`. Everything that can be wrong in a file is found here, with its line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from appliance.core.record import CallRecord
from appliance.paths import SHIPPED_PROMPTS
from appliance.scenario import sounds
from appliance.scenario import verbs as _verbs  # noqa: F401 (fills the table of verbs)
from appliance.scenario.boxreading import box_parts, read_agents, read_box
from appliance.scenario.flows import known_prompts, read_flows
from appliance.scenario.matching import Match, read_match
from appliance.scenario.model import Person, Row, Step, Story, Wanted, WantedRecord
from appliance.scenario.text import Item, StoryError, closest, known_keys, read
from appliance.scenario.verbs.desk import REFUSALS
from appliance.scenario.verbs.expecting import STATES
from appliance.scenario.vocabulary import ROLES, Args, NotUnderstood, seconds, understand, unquote

TOP_KEYS = ("story", "seed", "box", "agents", "people", "expect", "should fail", "longest", "settle", "about")
EXPECT_KEYS = (
    "records",
    "more records",
    "record count",
    "events",
    "no events",
    "customers",
    "notes",
    "stored",
)
RECORD_FIELDS = tuple(CallRecord.__dataclass_fields__)
SPECIAL_FIELDS = ("recording", "recording_has", "recording_lacks", "steps")
MAX_STEPS = 20000


def read_story(path: Path) -> Story:
    """Read and check a story file. Raises StoryError (line, what to write instead) or OSError."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise StoryError(line, "the file is not UTF-8; save it as UTF-8.") from error
    return parse_story(text, path)


def title_and_failure(path: Path) -> tuple[str, str | None]:
    """`story` and `should fail` of a file that may be wrong elsewhere; "" and None where it does not say."""
    try:
        root = read(path.read_text(encoding="utf-8"))
    except (StoryError, UnicodeDecodeError):
        return "", None
    top = {key: value.text.strip() for key, value in root.pairs or () if value.text is not None}
    return top.get("story", ""), top.get("should fail") or None


def parse_story(text: str, path: Path) -> Story:
    """Like `read_story` for a text; `path` tells where audio files are looked for."""
    root = read(text)
    top: dict[str, Item] = {}
    for key, value, _ in known_keys(root, "a story", TOP_KEYS):
        top[key] = value
    if "story" not in top:
        raise StoryError(root.line, "a story begins with `story: one sentence that says what happens`.")
    story = Story(path.resolve(), top["story"].as_text("story"))
    if "seed" in top:
        story.seed = top["seed"].as_int("seed", 0, 2**31 - 1)
    if "longest" in top:
        story.longest_s = top["longest"].as_number("longest", 1, 24 * 3600)
    if "settle" in top:
        story.settle_s = top["settle"].as_number("settle", 0, 3600)
    if "should fail" in top:
        story.should_fail = top["should fail"].as_text("should fail")
        story.should_fail_line = top["should fail"].line
        if not story.should_fail:
            raise top["should fail"].fail("`should fail:` needs the text that must appear in the failure.")
    if "people" not in top:
        raise StoryError(
            root.line, "nobody takes part: add `people:` with for example `caller Li:` below it."
        )
    headings = _headings(top["people"])
    read_box(story, top.get("box"))
    read_agents(
        story, top.get("agents"), [name for role, name, _, _ in headings if role == "agent"], headings
    )
    read_flows(story, box_parts(top.get("box")))
    for role, name, line, value in headings:
        story.people.append(_person(story, role, name, line, value))
    numbers: dict[str, Person] = {}
    for person in story.people:
        if person.role == "caller" and person.number:
            if person.number in numbers:
                raise StoryError(
                    person.line,
                    f"{person.title} has the number of {numbers[person.number].title}; give another.",
                )
            numbers[person.number] = person
    for person, (_, _, _, value) in zip(story.people, headings, strict=True):
        person.steps = list(_steps(story, person, _script(value)))
    _own_numbers(story)
    if "expect" in top:
        story.wanted = _wanted(story, top["expect"])
    return story


# --------------------------------------------------------------------- people
def _own_numbers(story: Story) -> None:
    """`wait for a call to NUMBER` says what number somebody has."""
    for person in story.people:
        for step in person.steps:
            if step.verb.name != "wait_for_call":
                continue
            number = step.args["number"] or person.number
            if not number:
                raise StoryError(
                    step.line, "the box needs a number to call: write `wait for a call to 13800138000`."
                )
            other = next((p for p in story.people if p.number == number and p is not person), None)
            if other is not None or person.number not in ("", number):
                owner = (
                    f"{other.title} has {number}"
                    if other is not None
                    else f"{person.title} has {person.number}"
                )
                raise StoryError(
                    step.line,
                    f"{number} cannot ring here: a number belongs to one person, and a person has one "
                    f"({owner}).",
                )
            person.number = number


def _headings(people: Item) -> list[tuple[str, str, int, Item]]:
    out: list[tuple[str, str, int, Item]] = []
    for key, value in people.as_pairs("people"):
        line = people.key_lines[key]
        role, _, name = " ".join(key.split()).partition(" ")
        role = role.lower()
        if role not in ROLES:
            raise StoryError(
                line,
                f"`{key}` does not say who this is.{closest(role, ROLES)} "
                "Write `caller NAME`, `agent NAME`, `phone EXTENSION`, `supervisor NAME` or `office`.",
            )
        if not name and role != "office":
            raise StoryError(
                line, f"`{key}` needs a name, for example `{role} {'801' if role == 'phone' else 'Li'}`."
            )
        if any(role == r and name.lower() == n.lower() for r, n, _, _ in out):
            raise StoryError(line, f"`{key}` takes part twice; put all steps under one heading.")
        out.append((role, name, line, value))
    if not out:
        raise people.fail("nobody takes part: put for example `caller Li:` below `people:`.")
    return out


def _script(value: Item) -> Sequence[Item]:
    if value.pairs is not None:
        for key, inner in value.pairs:
            if key.lower() in ("steps", "does"):
                return inner.as_list(key)
        return ()
    return value.as_list("a script")


def _person(story: Story, role: str, name: str, line: int, value: Item) -> Person:
    person = Person(name, role, line)
    if role == "agent":
        row = story.box.agents[name].values
        person.number, person.ext = row["number"], row["phone"]
    if role == "phone":
        person.ext = name
        if name not in story.box.phones:
            raise StoryError(
                line, f"the box has no telephone {name}; it has {', '.join(story.box.phones) or 'none'}."
            )
    if value.pairs is None:
        return person
    if role != "caller":
        allowed: tuple[str, ...] = ("steps", "does")
    else:
        allowed = ("number", "steps", "does")
    for key, inner, _ in known_keys(value, f"{role} {name}", allowed):
        if key == "number":
            person.number = re.sub(r"[\s-]", "", inner.as_text("number"))
            if not re.fullmatch(r"\+?\d{1,20}", person.number):
                raise inner.fail(f"`{person.number}` is not a telephone number.")
    return person


# ---------------------------------------------------------------------- steps
def _steps(story: Story, person: Person, items: Sequence[Item], depth: int = 0) -> list[Step]:
    out: list[Step] = []
    for item in items:
        if item.pairs is not None and len(item.pairs) == 1:
            key, value = item.pairs[0]
            again = re.fullmatch(r"repeat\s+(\d+)\s+times?", key.strip(), re.IGNORECASE)
            if again is not None:
                if depth > 3:
                    raise item.fail("`repeat` inside `repeat` goes at most 4 deep.")
                out += _steps(story, person, value.as_list("repeat"), depth + 1) * int(again[1])
                if len(out) > MAX_STEPS:
                    raise item.fail(f"this script has more than {MAX_STEPS} steps.")
                continue
            if value.text is not None:
                joined = f"{key} {value.text.strip()}".strip()
                out.append(_step(story, person, item, joined))
                continue
        if item.text is None:
            raise item.fail(
                f"a step is one sentence, but here is {item.what()}. "
                "If the sentence contains `: ` put it in quotes."
            )
        out.append(_step(story, person, item, item.text))
    return out


def _step(story: Story, person: Person, item: Item, text: str) -> Step:
    bare = text.strip()
    if bare.lower() in ("press", "dial", "note", "say") or not bare:
        raise item.fail(
            f"`{bare}` is not complete. In YAML ` #` begins a comment: write `press hash` or `press 12#`."
        )
    try:
        sentence = understand(bare, person.role)
    except NotUnderstood as error:
        raise item.fail(str(error)) from error
    args: Args = {}
    for name, raw in sentence.blanks.items():
        kind = name.rstrip("0123456789")
        args[name] = None if raw is None else convert(story, item, kind, raw.strip())
    code = args.get("state")
    if code is not None and "but is refused" in bare.lower() and code not in REFUSALS:
        raise item.fail(
            f"`{code}` is not a code of refusal.{closest(code, REFUSALS)} "
            f"Codes: {', '.join(sorted(REFUSALS))}."
        )
    known = STATES.get(sentence.verb.name)
    if known is not None and args["state"] not in known:
        raise item.fail(
            f"`{args['state']}` is not a state.{closest(args['state'], known)} States: {', '.join(known)}."
        )
    within_s = sentence.within_s if sentence.within_s is not None else sentence.verb.default_within_s
    if sentence.within_s is not None and sentence.verb.default_within_s is None:
        raise item.fail(f"`{bare}` happens at once; `within` has no meaning here. Leave it out.")
    return Step(item.line, bare, sentence.verb, args, sentence.at_s, sentence.after_s, within_s)


def convert(story: Story, item: Item, kind: str, raw: str) -> Any:
    """The value of a blank. Raises StoryError where it names something that is not there."""
    text = unquote(raw)
    box = story.box
    if kind in ("line", "port", "ext"):
        return _port(story, item, kind, text)
    if kind == "number":
        return re.sub(r"[\s\-]", "", text)
    if kind == "digits":
        return re.sub(r"[\s\-]", "", text)
    if kind == "keys":
        return _keys(item, text)
    if kind == "time":
        return seconds(text)
    if kind in ("db", "hz", "factor"):
        return float(text)
    if kind == "count":
        return int(text)
    if kind in ("tone", "cid", "cue", "fate"):
        return text.lower()
    if kind == "state":
        return re.sub(r"[\s-]+", "_", text.strip().lower())
    if kind == "file":
        try:
            path = sounds.find(text, story.path.parent)
            return sounds.load(path)
        except sounds.NoSound as error:
            raise item.fail(str(error)) from error
    if kind == "person":
        person = story.person(text)
        if person is None:
            who = [p.title for p in story.people]
            near = closest(text, [*who, *(p.name for p in story.people if p.name)])
            if text in known_prompts(story):
                near = f" If the prompt is meant, write `prompt {text}`."
            raise item.fail(f"there is nobody called `{text}`.{near} People: {', '.join(who)}.")
        return person
    if kind == "queue":
        if text not in box.queues:
            raise item.fail(
                f"there is no queue `{text}`.{closest(text, box.queues)} Queues: {', '.join(box.queues)}."
            )
        return text
    if kind == "prompt":
        prompt_sound(story, item, text)
        return text
    return text


def _port(story: Story, item: Item, kind: str, text: str) -> str:
    name = re.sub(r"^(phone|line|L)\s*", "", text, flags=re.IGNORECASE)
    lines, phones = story.box.lines, story.box.phones
    if kind == "line" or (kind == "port" and f"L{name}" in lines and name not in phones):
        if f"L{name}" not in lines:
            raise item.fail(
                f"the box has no line {name}; it has {', '.join(lines)}. See `lines:` under `box:`."
            )
        return f"L{name}"
    if name not in phones:
        raise item.fail(
            f"the box has no telephone {name}; it has {', '.join(phones)}. See `phones:` under `box:`."
        )
    return name


def _keys(item: Item, text: str) -> str:
    words = re.sub(r"\bstar\b", "*", re.sub(r"\b(hash|pound)\b", "#", text, flags=re.IGNORECASE), flags=re.I)
    keys = re.sub(r"[\s,]", "", words).upper()
    if not keys or not re.fullmatch(r"[0-9*#A-D]+", keys):
        raise item.fail(f"`{text}` are not keys of a telephone: 0-9, star, hash, A-D.")
    return keys


def prompt_sound(story: Story, item: Item, name: str) -> sounds.Samples:
    """The reference sound of a prompt: the story's own one, or the shipped one. Raises StoryError."""
    if name in story.box.prompts:
        return story.box.prompts[name]
    folder = SHIPPED_PROMPTS / story.box.language
    try:
        return (
            sounds.load(folder / f"{name}.wav")
            if (folder / f"{name}.wav").is_file()
            else _no_prompt(story, item, name)
        )
    except sounds.NoSound as error:
        raise item.fail(str(error)) from error


def _no_prompt(story: Story, item: Item, name: str) -> sounds.Samples:
    folder = SHIPPED_PROMPTS / story.box.language
    if not folder.is_dir():
        raise item.fail("the shipped prompts have not been made yet: run `make setup` once.")
    known = sorted({p.stem for p in folder.glob("*.wav")} | set(story.box.prompts))
    raise item.fail(
        f"there is no prompt `{name}`.{closest(name, known)} Prompts: {', '.join(known)}; "
        "own ones are named under `prompts:` in `box:`."
    )


# --------------------------------------------------------------- expectations
def _wanted(story: Story, item: Item) -> Wanted:
    wanted = Wanted(item.line)
    for key, value, line in known_keys(item, "expect", EXPECT_KEYS):
        if key == "records":
            wanted.records = [_record(story, part) for part in value.as_list("records")]
        elif key == "more records":
            wanted.more_records = value.as_bool(key)
        elif key == "record count":
            wanted.record_count = read_match(value, key)
        elif key == "stored":
            wanted.stored = value.as_bool(key)
        else:
            rows = [(part.line or line, _matches(part, key)) for part in value.as_list(key)]
            getattr(wanted, key.replace(" ", "_")).extend(rows)
    return wanted


def _matches(part: Item, what: str) -> dict[str, Match]:
    return {key: read_match(value, key) for key, value in part.as_pairs(f"an entry of `{what}`")}


def _record(story: Story, part: Item) -> WantedRecord:
    fields: dict[str, Match] = {}
    recording: bool | None = None
    hears: tuple[tuple[int, str, Any], ...] = ()
    lacks: tuple[tuple[int, str, Any], ...] = ()
    steps: tuple[str, ...] = ()
    for key, value, _ in known_keys(part, "a record", (*RECORD_FIELDS, *SPECIAL_FIELDS[1:3])):
        if (
            key == "recording"
            and value.text is not None
            and value.text.lower() in ("yes", "no", "true", "false")
        ):
            recording = value.as_bool(key)
        elif key == "recording_has":
            hears = tuple(_sound(story, one) for one in value.as_list(key))
            recording = True
        elif key == "recording_lacks":
            lacks = tuple(_sound(story, one) for one in value.as_list(key))
        elif key == "steps":
            steps = value.words(key)
        else:
            fields[key] = _field(story, key, value)
    return WantedRecord(part.line, fields, recording, hears, lacks, steps)


def _field(story: Story, key: str, value: Item) -> Match:
    if key in ("agent", "agents"):
        return _agent_names(story, read_match(value, key))
    return read_match(value, key, globs=key != "keys")


def _agent_names(story: Story, match: Match) -> Match:
    """Records carry work numbers; a story may write the agent's name."""
    if match.one_of:
        options = tuple(_agent_names(story, m) for m in match.one_of)
        return Match(match.line, match.shown, one_of=options)
    if match.literal is not None and match.literal in story.box.agents:
        return Match(match.line, match.shown, literal=story.box.agents[match.literal].values["number"])
    return match


_SOUND = re.compile(r"(person|prompt|keys|tone)\s+(\S.*)|(music)", re.IGNORECASE)


def _sound(story: Story, item: Item) -> tuple[int, str, Any]:
    text = item.as_text("a sound of a recording")
    found = _SOUND.fullmatch(text)
    if found is None:
        raise item.fail(f"`{text}`: write `person NAME`, `prompt NAME`, `keys 123`, `tone busy` or `music`.")
    kind = (found[1] or found[3]).lower()
    if kind == "music":
        return item.line, kind, prompt_sound(story, item, "music")
    if kind == "prompt":
        return item.line, kind, (found[2].strip(), prompt_sound(story, item, found[2].strip()))
    return item.line, kind, convert(story, item, kind, found[2].strip())


def rows_of(section: dict[str, Row]) -> dict[str, dict[str, Any]]:
    """The values of rows by key."""
    return {key: row.values for key, row in section.items()}
