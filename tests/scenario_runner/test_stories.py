"""Every story in tests/scenarios comes true on the whole appliance, or fails as it says it should."""

from pathlib import Path

import pytest

from appliance.scenario.performance import play
from appliance.scenario.text import read

STORIES = sorted((Path(__file__).parent.parent / "scenarios").glob("*.yaml"))


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_story(path, tmp_path):
    outcome = play(path, tmp_path / "box")
    assert outcome.ok, "\n".join(outcome.lines())


def test_there_are_enough_of_them_and_failures_among_them():
    tops = [dict(read(path.read_text(encoding="utf-8")).pairs) for path in STORIES]
    assert len(tops) >= 25
    assert sum("should fail" in top for top in tops) >= 3
    assert len({top["story"].text for top in tops}) == len(tops)
