"""What an action would do, as one sentence for people, in every language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from recovery.words import PLANS


@dataclass(frozen=True)
class Plan:
    """key: of its sentence in words.PLANS. values: what stands in it."""

    key: str
    values: Mapping[str, object] = field(default_factory=dict)

    def say(self, language: str) -> str:
        """The sentence."""
        return PLANS[self.key][language].format(**self.values)

    def __str__(self) -> str:
        return self.say("en")
