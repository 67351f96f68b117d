"""The `box:` and `agents:` sections of a story, checked against the tables that the real settings use."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from appliance.scenario import sounds
from appliance.scenario.circuits import CIRCUITS, SHORT_CIRCUITS, circuit_name, circuit_values
from appliance.scenario.model import Row, Story
from appliance.scenario.text import Item, StoryError, closest, known_keys, read_quantity
from appliance.store.fields import Field
from appliance.store.settings import SETTINGS
from appliance.store.tables import AGENTS, LINES, QUEUES
from board.sim.config import OfficeConfig, OfficeError

MAX_LINES = 64
MAX_PHONES = 96


OFFICE_FIELDS = ("tone_freq_error_percent", "tone_cadence_error_percent", "unknown_numbers", "local_time")

BOX_KEYS = (
    "country",
    "language",
    "lines",
    "phones",
    "queues",
    "flow",
    "flows",
    "blacklist",
    "customers",
    "prompts",
    "numbers",
    "outside",
    "settings",
    "recording",
    "area code",
    "office",
    "claim",
)
ALIASES = {"ring": "ring_s", "wrap_up": "wrap_up_s", "misses": "misses_allowed", "max_wait": "max_wait_s"}


def box_parts(item: Item | None) -> dict[str, Item]:
    """The parts of `box:` by name. Raises StoryError for one that does not exist."""
    return {} if item is None else {key: value for key, value, _ in known_keys(item, "box", BOX_KEYS)}


def read_box(story: Story, item: Item | None) -> None:
    """Fill `story.box`, with defaults where the file is silent; the flows come later. Raises StoryError."""
    box = story.box
    given = box_parts(item)
    for key in ("country", "language"):
        if key in given:
            setattr(box, key, checked(SETTINGS[key].field, given[key], key))
    if "office" in given:
        box.office = _office(given["office"])
    if "claim" in given:
        box.claim = _claim(given["claim"])
    _settings(story, given)
    _lines(story, given.get("lines"))
    _phones(story, given.get("phones"))
    _queues(story, given.get("queues"))
    if "prompts" in given:
        for name, value in given["prompts"].as_pairs("prompts"):
            try:
                box.prompts[name] = sounds.load(sounds.find(value.as_text(name), story.path.parent))
            except sounds.NoSound as error:
                raise value.fail(str(error)) from error
    for part in given["blacklist"].as_list("blacklist") if "blacklist" in given else ():
        box.blacklist.append(_block(part))
    for part in given["customers"].as_list("customers") if "customers" in given else ():
        box.customers.append(_customer(part))
    if "numbers" in given:
        for number, value in given["numbers"].as_pairs("numbers"):
            digits = re.sub(r"[\s-]", "", number)
            if not re.fullmatch(r"\d{1,20}", digits):
                raise StoryError(
                    given["numbers"].key_lines[number], f"`{number}` is not a telephone number: write digits."
                )
            box.numbers[digits] = fate_of(story, value)


def _claim(item: Item) -> dict[str, str]:
    """What telephones of a box that nobody has claimed say."""
    found = {key: value.as_text(key) for key, value, _ in known_keys(item, "claim", ("code", "address"))}
    if not re.fullmatch(r"\d+", found.get("code", "")):
        raise item.fail("claim needs a code of digits, such as {code: 12345678, address: 192.168.1.7}.")
    return found


def _office(item: Item) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value, _ in known_keys(item, "office", OFFICE_FIELDS):
        values[key] = value.as_number(key) if key.endswith("percent") else value.as_text(key)
        try:
            OfficeConfig(**{key: values[key]})
        except OfficeError as error:
            raise value.fail(f"{error}.") from error
    return values


def _settings(story: Story, given: dict[str, Item]) -> None:
    box = story.box

    def put(key: str, value: Item) -> None:
        if key not in SETTINGS:
            raise value.fail(f"there is no setting `{key}`.{closest(key, SETTINGS)}")
        box.settings[key] = Row(value.line, {"value": checked(SETTINGS[key].field, value, key)})

    box.settings["country"] = Row(1, {"value": box.country})
    box.settings["language"] = Row(1, {"value": box.language})
    if "settings" in given:
        for key, value in given["settings"].as_pairs("settings"):
            put(key, value)
    if "area code" in given:
        put("area_code", given["area code"])
    if "recording" in given:
        put("recording.enabled", given["recording"])
    if "outside" in given:
        for key, value in given["outside"].as_pairs("outside"):
            put(f"outside.{key.replace(' ', '_')}", value)


def checked(field: Field, item: Item, what: str) -> Any:
    """The value of a configuration field, by the rules of the real settings. Raises StoryError."""
    value: Any
    if field.kind == "list":
        value = list(item.words(what))
    elif field.kind in ("int", "real"):
        text = item.as_text(what)
        number = read_quantity(text)
        value = text if number is None else number
    else:
        value = item.as_text(what)
    try:
        return field.check(value)
    except ValueError as error:
        raise item.fail(f"{what} {error}.") from error


def _row(item: Item, what: str, fields: Sequence[Field], skip: Sequence[str]) -> dict[str, Any]:
    known = {f.name: f for f in fields if f.name not in skip}
    values: dict[str, Any] = {}
    for key, value in item.as_pairs(what):
        name = re.sub(r"[\s-]+", "_", key.strip().lower())
        name = ALIASES.get(name, name)
        if name not in known:
            raise StoryError(
                item.key_lines[key],
                f"{what} has no `{key}`.{closest(key, known)} Known: {', '.join(known)}.",
            )
        values[name] = checked(known[name], value, key)
    return values


# ------------------------------------------------------------ lines and phones
def _lines(story: Story, item: Item | None) -> None:
    box = story.box
    if item is None or item.text is not None:
        count = 2 if item is None else item.as_int("lines", 0, MAX_LINES)
        for n in range(1, count + 1):
            box.lines[f"L{n}"] = Row(1 if item is None else item.line, {})
            box.circuits[f"L{n}"] = {}
        return
    if item.parts is not None:
        raise item.fail("lines is a number (`lines: 2`) or a group such as `L1: {noise_dbm0: -50}`.")
    highest = 0
    for key, value in item.as_pairs("lines"):
        found = re.fullmatch(r"(?:line\s*|L)?([1-9]\d?)", key.strip(), re.IGNORECASE)
        if found is None or int(found[1]) > MAX_LINES:
            raise StoryError(item.key_lines[key], f"`{key}` is not a line; write L1 to L{MAX_LINES}.")
        name = f"L{found[1]}"
        highest = max(highest, int(found[1]))
        if name in box.lines:
            raise StoryError(item.key_lines[key], f"line {name} is there twice.")
        box.lines[name], box.circuits[name] = _line(key, value)
    for n in range(1, highest + 1):
        box.lines.setdefault(f"L{n}", Row(item.line, {}))
        box.circuits.setdefault(f"L{n}", {})
    box.lines = dict(sorted(box.lines.items(), key=lambda pair: int(pair[0][1:])))


def _line(key: str, value: Item) -> tuple[Row, dict[str, Any]]:
    table = {f.name: f for f in LINES.fields if f.name not in ("id", "port")}
    values: dict[str, Any] = {}
    circuit: dict[str, Any] = {}
    for name, inner in value.as_pairs(key):
        folded = re.sub(r"[\s-]+", "_", name.strip().lower())
        if folded in table:
            values[folded] = checked(table[folded], inner, name)
        elif circuit_name(folded) is not None:
            changes = circuit_values(folded, inner)
            circuit |= changes
            if changes.get("polarity_reversal"):
                values.setdefault("polarity", True)
        else:
            known = [*table, "disconnect", *SHORT_CIRCUITS, *CIRCUITS]
            raise StoryError(
                value.key_lines[name],
                f"a line has no `{name}`.{closest(name, known)} Known: {', '.join(known)}.",
            )
    return Row(value.line, values), circuit


def _phones(story: Story, item: Item | None) -> None:
    phones = story.box.phones
    if item is None or (
        item.text is not None and read_quantity(item.text) is not None and "," not in item.text
    ):
        count = 2 if item is None else item.as_int("phones", 0, MAX_PHONES)
        for n in range(count):
            phones[str(801 + n)] = Row(1 if item is None else item.line, {})
        return
    for ext in item.words("phones"):
        if not re.fullmatch(r"\d{2,6}", ext):
            raise item.fail(
                f"`{ext}` is not an extension; write for example `phones: 2` or `phones: [801, 805]`."
            )
        phones[ext] = Row(item.line, {})


# -------------------------------------------------------------- queues, agents
def _queues(story: Story, item: Item | None) -> None:
    queues = story.box.queues
    if item is None:
        return
    if item.pairs is None:
        for name in item.words("queues"):
            queues[name] = Row(item.line, {"name": name})
    else:
        for key, value in item.pairs:
            values = _row(value, f"queue {key}", QUEUES.fields, ("id",))
            values.setdefault("name", key)
            queues[key] = Row(item.key_lines[key], values)
    for name, row in queues.items():
        if not re.fullmatch(QUEUES.fields[0].pattern, name):
            raise StoryError(row.line, f"a queue's id is {QUEUES.fields[0].meaning}, not `{name}`.")


def read_agents(
    story: Story,
    item: Item | None,
    taking_part: Sequence[str],
    headings: Sequence[tuple[str, str, int, Item]],
) -> None:
    """Fill `story.box.agents`; whoever is not described gets the next free number and telephone."""
    box = story.box
    described: dict[str, tuple[int, Item | None]] = {}
    if item is not None and item.pairs is not None:
        described = {key: (item.key_lines[key], value) for key, value in item.pairs}
    elif item is not None:
        described = dict.fromkeys(item.words("agents"), (item.line, None))
    if item is None:
        described = {name: (line, None) for role, name, line, _ in headings if role == "agent"}
    for role, name, line, _ in headings:
        if role == "agent" and name not in described:
            raise StoryError(
                line,
                f"agent {name} is not among `agents:`.{closest(name, described)} "
                f"Known: {', '.join(described)}.",
            )
    if not box.queues:
        named = {
            queue: line
            for line, value in described.values()
            if value is not None
            for key, inner in value.as_pairs("an agent")
            if key.lower() == "queues"
            for queue in inner.words("queues")
        }
        for queue, line in (named or {"sales": 1}).items():
            box.queues[queue] = Row(line, {"name": queue})
    for name, (line, value) in described.items():
        box.agents[name] = _agent(story, name, line, value)


def _agent(story: Story, name: str, line: int, value: Item | None) -> Row:
    box = story.box
    values: dict[str, Any] = {"name": name}
    phone = ""
    if value is not None and not value.empty:
        rest: list[tuple[str, Item]] = []
        for key, inner in value.as_pairs(f"agent {name}"):
            if key.strip().lower() == "phone":
                phone = inner.as_text("phone")
                if phone not in box.phones:
                    raise inner.fail(f"the box has no telephone {phone}; it has {', '.join(box.phones)}.")
            else:
                rest.append((key, inner))
        part = Item(value.line, pairs=tuple(rest), key_lines=value.key_lines)
        values |= _row(part, f"agent {name}", AGENTS.fields, ("name", "pin_hash"))
    values.setdefault("queues", list(box.queues))
    for queue in values["queues"]:
        if queue not in box.queues:
            raise StoryError(line, f"agent {name}: there is no queue `{queue}`.{closest(queue, box.queues)}")
    taken = {row.values["number"] for row in box.agents.values()}
    if "number" not in values:
        values["number"] = next(str(n) for n in range(1001, 10000) if str(n) not in taken)
    elif values["number"] in taken:
        raise StoryError(line, f"agent {name}: the number {values['number']} belongs to somebody else.")
    if not phone:
        used = {row.values["phone"] for row in box.agents.values()}
        free = [ext for ext in box.phones if ext not in used]
        if not free:
            raise StoryError(
                line,
                f"no telephone is left for agent {name}; write more `phones:` under `box:` or `phone:` here.",
            )
        phone = free[0]
    return Row(line, values | {"phone": phone})


# ----------------------------------------------------- flows, rules, customers
def _block(item: Item) -> Row:
    if item.text is not None:
        return Row(item.line, {"pattern": item.as_text("blacklist")})
    values: dict[str, Any] = {}
    for key, value, _ in known_keys(
        item, "a blacklist entry", ("number", "pattern", "action", "prompt", "note")
    ):
        values["pattern" if key == "number" else key] = value.as_text(key)
    if "pattern" not in values:
        raise item.fail("a blacklist entry needs `number:`, for example `{number: 139*, action: drop}`.")
    return Row(item.line, values)


def _customer(item: Item) -> Row:
    values: dict[str, Any] = {}
    for key, value, _ in known_keys(item, "a customer", ("name", "phones", "notes", "vip")):
        if key == "phones":
            values[key] = list(value.words(key))
        elif key == "vip":
            values[key] = value.as_bool(key)
        else:
            values[key] = value.as_text(key)
    if "name" not in values:
        raise item.fail("a customer needs `name:`.")
    return Row(item.line, values)


_FATE = re.compile(
    r"(?:is\s+)?(?P<fate>busy|no answer|congestion|unobtainable)|"
    r"answers?(?:\s+after\s+(?P<after>\d+(?:\.\d+)?\s*\w+))?(?:\s+and\s+says?\s+(?P<file>\S+))?",
    re.IGNORECASE,
)


def fate_of(story: Story, item: Item) -> dict[str, Any]:
    """What happens when an outside number is called. Raises StoryError."""
    text = item.as_text("an outside number")
    found = _FATE.fullmatch(text)
    if found is None:
        raise item.fail(
            f"`{text}`: write `answers after 5 s`, `answers after 5 s and says hello.wav`, `busy`, "
            "`no answer`, `congestion` or `unobtainable`."
        )
    if found["fate"]:
        return {"fate": found["fate"].lower(), "after_s": 0.0, "says": None}
    after_s = read_quantity(found["after"]) if found["after"] else 3.0
    if after_s is None:
        raise item.fail(f"`{text}`: `{found['after']}` is not a duration such as `5 s`.")
    says = None
    if found["file"]:
        try:
            says = sounds.load(sounds.find(found["file"], story.path.parent))
        except sounds.NoSound as error:
            raise item.fail(str(error)) from error
    return {"fate": "answers", "after_s": after_s, "says": says}
