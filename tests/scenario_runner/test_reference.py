"""docs/scenarios.md says everything that can be written, and everything that it says can be written."""

import re
from pathlib import Path

import pytest

from appliance.core.record import END_REASONS, CallRecord
from appliance.scenario import boxreading, circuits, reading, verbs
from appliance.scenario.performance import perform
from appliance.scenario.reading import parse_story
from appliance.scenario.vocabulary import BLANKS, TABLE, understand
from appliance.store.settings import SETTINGS
from appliance.store.tables import LINES, QUEUES

DOCS = Path(__file__).parent.parent.parent / "docs" / "scenarios.md"
TEXT = DOCS.read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^#### (.+?)\n(.*?)(?=^####? |\Z)", TEXT, re.MULTILINE | re.DOTALL))


def blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def story_with(part, indent=2):
    lines = "\n".join(" " * indent + line for line in part.splitlines())
    return lines


@pytest.mark.parametrize("name", sorted(TABLE))
def test_every_verb_is_documented_with_examples_that_parse(name):
    verb = TABLE[name]
    section = SECTIONS[name.replace("_", " ")]
    for pattern in verb.patterns:
        assert f"    {pattern}\n" in section, pattern
    examples = re.findall(r"```step\n(.*?)```", section, re.DOTALL)[0].splitlines()
    assert examples
    for example in examples:
        for role in verb.who:
            assert understand(example, role).verb is verb, example
    for who in () if len(verb.who) == 5 else verb.who:
        assert who in section.splitlines()[1]


def test_nothing_is_documented_that_is_not_there():
    assert {title.replace(" ", "_") for title in SECTIONS} == set(TABLE)
    assert verbs.__all__


def test_every_blank_is_explained():
    for name, (_, meaning) in BLANKS.items():
        assert f"| `{{{name}}}` | {meaning} |" in TEXT


def test_every_key_is_named():
    words = set(re.findall(r"[\w ]+", " ".join(re.findall(r"`([^`]*)`", TEXT))))
    flat = {w for word in words for w in (word.strip(), *word.split())}
    wanted = {*reading.TOP_KEYS, *reading.EXPECT_KEYS, *boxreading.BOX_KEYS, *CallRecord.__dataclass_fields__}
    wanted |= {*circuits.SHORT_CIRCUITS, *circuits.CIRCUITS, *circuits.DISCONNECTS, *END_REASONS}
    wanted |= {f.name for table in (LINES, QUEUES) for f in table.fields} - {"id", "port", "strategy"}
    wanted |= {key.split(".")[1] for key in SETTINGS if key.startswith("outside.")}
    wanted |= {*boxreading.OFFICE_FIELDS}
    missing = {
        w for w in wanted if w not in flat and f"`{w}`" not in TEXT and f"`…_{w.split('_')[-1]}`" not in TEXT
    }
    assert not missing


def test_the_first_example_comes_true(tmp_path):
    outcome = perform(parse_story(blocks("yaml story")[0], DOCS), tmp_path / "box")
    assert outcome.ok, "\n".join(outcome.lines())


def test_the_document_of_json_has_the_keys_that_are_documented(tmp_path):
    text = "story: x\npeople: {office: [wait 100 ms]}\n"
    document = perform(parse_story(text, DOCS), tmp_path / "box").document()
    table = TEXT[TEXT.index("| `story`, `file` |") : TEXT.index("## The file")]
    assert set(document) == {
        key for row in table.splitlines() for key in re.findall(r"`(\w+)`", row.split("|")[1] if row else "")
    }


def test_whole_examples_can_be_read():
    (whole,) = blocks("yaml story")
    story = parse_story(whole, DOCS)
    assert len(story.people) == 2
    for people in blocks("yaml people"):
        assert parse_story(f"story: x\npeople:\n{story_with(people)}\n", DOCS).people[0].steps
    for box in blocks("yaml box"):
        text = f"story: x\nbox:\n{story_with(box)}\npeople: {{office: [wait 1 s]}}\n"
        assert set(parse_story(text, DOCS).box.flows) == {"main", "night"}
