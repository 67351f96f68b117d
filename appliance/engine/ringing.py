"""From ring voltage to ringing: contact bounce and test pulses of the exchange are no calls.

voltage   _|‾|____________|‾‾‾‾‾‾‾‾‾‾‾‾|__|‾‾‾|________________
           < 60 ms: never   200 ms: it rings      100 ms: the burst is over
                                    a gap shorter than 100 ms is within the burst

A burst of 60 to 200 ms is doubtful; a second one within 8 s makes a ring of it.
"""

from __future__ import annotations

RATE_HZ = 8000
BOUNCE_SAMPLES = RATE_HZ * 60 // 1000
BURST_SAMPLES = RATE_HZ * 200 // 1000
GAP_SAMPLES = RATE_HZ * 100 // 1000
SECOND_BURST_SAMPLES = RATE_HZ * 8


class RingFilter:
    """One line. `feed` with edges and `due` at every tick answer "start" and "stop"; times in samples."""

    def __init__(self) -> None:
        self._on_at: int | None = None
        """Start of the burst that is going on (through its gaps)."""
        self._off_at: int | None = None
        self._told = False
        self._doubtful_at: int | None = None
        """When a burst that was too short was over."""

    @property
    def active(self) -> bool:
        """Ring voltage is there, or was just now."""
        return self._on_at is not None

    def feed(self, on: bool, at: int) -> list[str]:
        """Ring voltage came or went at `at`."""
        out = self.due(at)
        if on:
            if self._on_at is None:
                self._on_at, self._told = at, False
            self._off_at = None
        elif self._on_at is not None and self._off_at is None:
            self._off_at = at
            out += self.due(at)
        return out

    def due(self, now: int) -> list[str]:
        """What the time that has passed means."""
        if self._on_at is None:
            return []
        out: list[str] = []
        end = now if self._off_at is None else self._off_at
        length = end - self._on_at
        doubt = self._doubtful_at
        again = doubt is not None and self._on_at - doubt <= SECOND_BURST_SAMPLES
        if not self._told and length >= (BOUNCE_SAMPLES if again else BURST_SAMPLES):
            self._told, self._doubtful_at = True, None
            out.append("start")
        if self._off_at is not None and now - self._off_at >= GAP_SAMPLES:
            if self._told:
                out.append("stop")
            elif length >= BOUNCE_SAMPLES:
                self._doubtful_at = self._off_at
            self._on_at = self._off_at = None
        return out

    def forget(self) -> None:
        """The line has gone: what rang there is over."""
        self._on_at = self._off_at = self._doubtful_at = None
        self._told = False
