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


_ASKS = {
    "restore": ("file", "key", "unsealed"),
    "install": ("bundle", "older"),
    "reinstall": ("older",),
    "write_image": ("image", "disk", "erase"),
}
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
OPTION = {"bundle": "file", "image": "file", "disk": "disk_serial"}
"""What is asked -> name of the option, where that differs."""
AS_A_WORD = ("erase", "unsealed", "older")
"""Asked and typed: erase a disk with all that is on it, take a backup without a seal, go back to an older
version."""


def with_answers(choice: Choice, answers: dict[str, str]) -> Options:
    """The options with what was typed; empty answers are left out."""
    typed = {ask: answers[ask].strip() for ask in choice.asks if answers.get(ask, "").strip()}
    options: Options = {OPTION.get(ask, ask): text for ask, text in typed.items()}
    for word in AS_A_WORD:
        if word in options:
            options[word] = options[word].lower() == word
    return {**choice.options, **options}
