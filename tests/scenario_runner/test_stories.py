"""Every story in tests/scenarios comes true on the whole appliance, or fails as it says it should."""

from pathlib import Path

import pytest

from appliance.scenario.performance import perform
from appliance.scenario.reading import read_story

STORIES = sorted((Path(__file__).parent.parent / "scenarios").glob("*.yaml"))


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_story(path, tmp_path):
    outcome = perform(read_story(path), tmp_path / "box")
    assert outcome.ok, "\n".join(outcome.lines())


def test_there_are_enough_of_them_and_failures_among_them():
    stories = [read_story(path) for path in STORIES]
    assert len(stories) >= 25
    assert sum(story.should_fail is not None for story in stories) >= 3
    assert len({story.title for story in stories}) == len(stories)
