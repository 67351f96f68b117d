"""The hands of a story's people on the simulated office: one place that knows its names."""

from __future__ import annotations

import re
from typing import Any

from appliance.scenario.model import Person, Story
from appliance.scenario.sounds import Samples
from board.sim import LineConfig, OfficeConfig, OfficeError, OutsidePhone, SimBoard, TelephoneSet

FATES = {
    "answers": "answer",
    "busy": "busy",
    "no answer": "no_answer",
    "congestion": "congestion",
    "unobtainable": "unobtainable",
}


def open_board(story: Story) -> SimBoard:
    """A card with the story's lines and telephones on the virtual clock."""
    box = story.box
    lines = [
        LineConfig(**{"number": _digits(box.lines[name].values.get("number", "")), **box.circuits[name]})
        for name in box.lines
    ]
    config = OfficeConfig(
        country=box.country,
        seed=story.seed,
        lines=tuple(lines),
        phones=OfficeConfig.from_dict({"lines": 0, "phones": max(1, len(box.phones))}).phones,
        hearing_s=1,
        **box.office,
    )
    return SimBoard(config, "virtual")


def _digits(number: str) -> str:
    return re.sub(r"\D", "", number)


class People:
    """Telephones of the story's people, and the wires between office and box."""

    def __init__(self, story: Story, board: SimBoard) -> None:
        self._story = story
        self._office = board.office
        self._lines = {name: index for index, name in enumerate(story.box.lines)}
        self._phones = {ext: len(self._lines) + index for index, ext in enumerate(story.box.phones)}
        for number, fate in story.box.numbers.items():
            self.set_fate(number, fate)

    # ------------------------------------------------------------------ handles
    def outside(self, person: Person) -> OutsidePhone:
        """The telephone of a caller; one with a number rings until it is answered by hand."""
        if person.number:
            return self._office.subscriber(_digits(person.number), "manual", name=person.name)
        return self._office.outside(f"{person.name} ")

    def telephone(self, ext: str) -> TelephoneSet:
        """The set of an extension."""
        return self._office.phone(self._phones[ext])

    def port_name(self, name: str) -> str:
        """Board address of a line or extension."""
        return f"sim/{self._index(name)}"

    def _index(self, name: str) -> int:
        return self._lines[name] if name in self._lines else self._phones[name]

    # --------------------------------------------------------------------- fate
    def set_fate(self, number: str, fate: dict[str, Any]) -> None:
        """What happens when the box calls this number."""
        says: Samples | None = fate["says"]
        self._office.subscriber(
            _digits(number),
            FATES[fate["fate"]],
            answer_after_s=fate["after_s"],
            say=() if says is None else (says,),
        )

    def plug(self, line: str, plugged: bool) -> None:
        """Push in or pull out a line's cord."""
        control = self._office.line(self._lines[line])
        if plugged:
            control.plug()
        else:
            control.unplug()

    def change(self, line: str, settings: dict[str, Any]) -> str:
        """Change a line's copper; returns what is wrong, or ""."""
        try:
            self._office.line(self._lines[line]).change(**settings)
        except OfficeError as error:
            return str(error)
        return ""

    def vanish(self, port: str) -> None:
        """The port is no longer there."""
        self._office.vanish(self._index(port))

    def restore(self, port: str) -> None:
        """The port is there again."""
        self._office.restore(self._index(port))

    def dialled(self) -> dict[str, str]:
        """What the exchange has understood on each line since the last dial tone."""
        return {name: self._office.line(index).dialled for name, index in self._lines.items()}

    def line_index(self, line: str) -> int:
        """Position of a line in the office."""
        return self._lines[line]
