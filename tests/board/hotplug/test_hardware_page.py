"""docs/hardware.md tells buyers what the code knows: the two must not drift apart."""

from __future__ import annotations

import re
from pathlib import Path

from board.hotplug.known import KNOWN
from board.registry import schemes

PAGE = (Path(__file__).parents[3] / "docs" / "hardware.md").read_text(encoding="utf-8")


def table(heading):
    """Rows of the first table under a heading, as lists of cells."""
    part = PAGE.split(f"## {heading}\n", 1)[1]
    lines = [line for line in part.split("\n## ", 1)[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_table_lists_exactly_what_the_code_recognises():
    shown = {}
    for name, numbers, driver, ports, debian in table("Cards that are recognised"):
        bus, _, rest = numbers.partition(" ")
        ids, _, sub = rest.partition(" (subvendor ")
        shown[name] = (bus, tuple(ids.split(", ")), tuple(filter(None, sub.rstrip(")").split(", "))),
                       driver, ports, debian)  # fmt: skip
    assert shown == {
        one.name: (one.bus, one.ids, one.subvendors, f"{one.driver} ({one.scheme})", one.ports,
                   "yes" if one.debian else "no")
        for one in KNOWN
    }  # fmt: skip


def test_every_note_and_firmware_is_told():
    for one in KNOWN:
        for text in filter(None, (one.note, one.firmware)):
            assert text in PAGE, f"{one.name}: {text}"


def test_the_page_says_that_no_card_was_touched_and_makes_no_row_look_tested():
    assert "No physical card has been touched" in PAGE
    rows = table("What was tested, and how")
    assert rows and all(row[2].startswith("no") for row in rows)


def test_every_kind_of_address_on_the_page_can_be_opened():
    named = set(re.findall(r"`(\w+):[A-Z/]", PAGE)) | {one.scheme for one in KNOWN}
    assert named <= set(schemes().replace(":", "").split(", "))
