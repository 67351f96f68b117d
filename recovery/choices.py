"""The lines of the menu and of the page: an action with the options that it stands for."""

from __future__ import annotations

from dataclasses import dataclass, field

from recovery.runner import Options
from recovery.words import ACTIONS


@dataclass(frozen=True)
class Choice:
    """asks: what is typed before it is done. serial: the box's serial number must be typed too."""

    key: str
    action: str
    options: Options = field(default_factory=dict)
    asks: tuple[str, ...] = ()
    serial: bool = False


_ASKS = {"restore": ("file", "key"), "write_image": ("disk", "erase")}
CHOICES = tuple(
    Choice(
        key,
        "factory_reset" if key.startswith("factory_reset") else key,
        {"keep_recordings": key == "factory_reset"} if key.startswith("factory_reset") else {},
        _ASKS.get(key, ()),
        key.startswith("factory_reset"),
    )
    for key in ACTIONS
)
OPTION = {"file": "file", "key": "key", "disk": "disk_serial", "erase": "erase"}
"""What is asked -> name of the option."""
ERASE = "erase"
"""Typed by whoever wants a disk erased that has the product and its data."""


def with_answers(choice: Choice, answers: dict[str, str]) -> Options:
    """The options with what was typed; empty answers are left out."""
    typed: Options = {
        OPTION[ask]: answers[ask].strip() for ask in choice.asks if answers.get(ask, "").strip()
    }
    if "erase" in typed:
        typed["erase"] = typed["erase"].lower() == ERASE
    return {**choice.options, **typed}
