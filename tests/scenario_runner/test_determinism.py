"""The same story gives the same events, records and samples; another seed gives other samples."""

from pathlib import Path

import pytest

from appliance.scenario.performance import perform
from appliance.scenario.reading import read_story

STORIES = Path(__file__).parent.parent / "scenarios"


def play(name, home, seed=None):
    story = read_story(STORIES / name)
    if seed is not None:
        story.seed = seed
    outcome = perform(story, home)
    sounds = [Path(path).read_bytes() for path in outcome.recordings]
    return outcome, sounds


@pytest.mark.parametrize("name", ["16-transfer.yaml", "29-bad-line.yaml"])
def test_twice_the_same(name, tmp_path):
    first, first_sounds = play(name, tmp_path / "first")
    second, second_sounds = play(name, tmp_path / "second")
    assert first.records == second.records
    assert first.events == second.events
    assert first_sounds == second_sounds
    assert first_sounds


def test_another_seed_gives_other_noise(tmp_path):
    first, first_sounds = play("29-bad-line.yaml", tmp_path / "first", 1)
    second, second_sounds = play("29-bad-line.yaml", tmp_path / "second", 2)
    assert first.ok and second.ok
    assert first_sounds != second_sounds
