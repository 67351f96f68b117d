"""What can be chosen about DAHDI ports. Bounds are the kernel's."""

from __future__ import annotations

from dataclasses import dataclass, fields

from board.api import BoardError

_BOUNDS = {
    "flash_max_ms": (250, 1250),
    "debounce_ms": (20, 1000),
    "line_debounce_ms": (20, 1000),
    "ahead_blocks": (2, 6),
    "pulse_window_s": (0, 60),
}


@dataclass(frozen=True)
class DahdiSettings:
    """Timing of ports; BoardError says which value is out of bounds."""

    flash_max_ms: int = 700
    """Telephones: a longer break of the loop is hanging up. The kernel's own 1250 ms would tell it late."""
    debounce_ms: int = 100
    """Telephones: breaks this soon after lifting are contact bounce."""
    line_debounce_ms: int = 600
    """Lines: battery drops this soon after taking the line are switching, and no flash can be sent."""
    ahead_blocks: int = 2
    """Blocks in the kernel right after writing: more forgive later ticks, each adds 20 ms of delay."""
    pulse_window_s: int = 10
    """Telephones: a lone short break is the digit 1 so soon after lifting or after another pulse digit;
    later, or when the telephone answered a call, it is the R key."""

    def __post_init__(self) -> None:
        for field in fields(self):
            low, high = _BOUNDS[field.name]
            value = getattr(self, field.name)
            if type(value) is not int or not low <= value <= high:
                raise BoardError(f"dahdi: {field.name} is {value!r}; choose {low} to {high}")
