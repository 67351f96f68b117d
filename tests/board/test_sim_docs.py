"""docs/simulated-office.md is true: its example runs, its settings are all of them."""

import re
from dataclasses import fields
from pathlib import Path

from board.sim import LineConfig, OfficeConfig, PhoneConfig
from board.sim.country import COUNTRIES

PAGE = (Path(__file__).parents[2] / "docs" / "simulated-office.md").read_text(encoding="utf-8")


def test_the_example_runs():
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(example, "docs/simulated-office.md", "exec"), {})


def test_every_setting_and_country_is_named():
    settings = PAGE[PAGE.index("## Settings") :]
    for config in (LineConfig, PhoneConfig, OfficeConfig):
        for field in fields(config):
            assert f"`{field.name}`" in settings, field.name
    for code in COUNTRIES:
        assert code in settings
