"""Several cards, one tick: the leader's samples pace, the others are resampled to its time.

Each card has its own crystal. Between two of them (100 ppm apart) a block too many
or too few would come up every three minutes: a click, or a delay that grows. So:

    follower's samples ─► queue ─► read at 1 + drift ─► the leader's tick
    the leader's tick  ─► read at 1/(1 + drift) ─► queue ─► follower's samples

The drift is measured by a slow linear fit; a gentle pull keeps the queues at their
middle. What goes wrong is counted, never hidden: slips (samples left out because a
queue ran over), underruns (silence because a queue ran dry).
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from types import TracebackType
from typing import Any, Protocol, runtime_checkable

import numpy as np

from board import api
from board.api import BLOCK_SAMPLES, Board, BoardError, Samples
from board.drift import DriftMeter
from board.resample import HALF_TAPS, Resampler

log = logging.getLogger(__name__)

LEAD_WAIT_S = 0.06
"""A leader without a block for so long gives the lead away; its own calls fall silent."""
TARGET_SAMPLES = 2 * BLOCK_SAMPLES + 2 * HALF_TAPS + 48
"""Captured and not yet heard: a block on its way, a block to read, the filter, some room."""
MOST_SPARE_SAMPLES = 4 * BLOCK_SAMPLES
"""More than the target and this are not kept."""
PLAY_SAMPLES = 2 * BLOCK_SAMPLES
"""To be played by a follower, at the start."""
MOST_PLAY_SAMPLES = PLAY_SAMPLES + 4 * BLOCK_SAMPLES
PULL_PPM_PER_SAMPLE = 1.0
MOST_PULL_PPM = 100.0
FILL_SMOOTHING = 0.02
"""Of the fill, per tick: a second."""


@runtime_checkable
class Waitable(Protocol):
    """A card that can say whether a block is there, and so can follow.

    Others lead, or (a second one) are read in step with the leader as they are.
    A card may have more: `waiting()`, samples captured and not yet read; `grain`, samples by which that
    count advances at once (0 when it has none); `epoch`, another number whenever another crystal has begun
    to count; `steady`, False when it should lead only if no other card can; `follow(on)`, told when it
    begins to follow (its blocks are then fetched up to 20 ms late) and to lead.
    """

    def wait(self, timeout_s: float) -> bool:
        """Whether a block is there within `timeout_s`. Raises BoardError when the card is lost."""


@dataclass
class ClockCounters:
    """What a card's clock has cost since the start."""

    slips: int = 0
    """Times samples were left out because too many waited."""
    slipped_samples: int = 0
    underruns: int = 0
    """Ticks in which the card had not brought enough: silence was heard."""
    play_underruns: int = 0
    """Blocks of silence played because nothing was there."""
    lost_samples: int = 0
    """Reported missing by the card itself."""


class _Watched:
    """What a card does within: one that fails can no longer lead. Entered several times in every tick."""

    def __init__(self, board: PacedBoard, clocks: Clocks) -> None:
        self._board, self._clocks = board, clocks

    def __enter__(self) -> None:
        """Nothing is to be done before."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, BoardError):
            self._board.alive = False
            self._clocks.ensure_leader()


class PacedBoard:
    """A card in the leader's time: `Board` again, but `read` waits only while this card leads."""

    def __init__(self, board: Board, clocks: Clocks) -> None:
        self._board = board
        self._clocks = clocks
        self._watched = _Watched(self, clocks)
        self._rows = len(board.ports)
        self._waits = board if isinstance(board, Waitable) else None
        self.can_follow = self._waits is not None
        self.counters = ClockCounters()
        self.alive = True
        self._clock = 0
        self.taken = 0
        """Samples read from the card, losses included."""
        self._reset()

    def _reset(self) -> None:
        """Begin to follow: queues at their middle, nothing known of the drift."""
        grain: int = getattr(self._board, "grain", 0)
        self._target = TARGET_SAMPLES + grain
        self._epoch: int = getattr(self._board, "epoch", 0)
        self.forget_drift()
        self._heard = Resampler(self._rows)
        self._heard.push(np.zeros((self._rows, self._target - BLOCK_SAMPLES), np.float32))
        self._said = Resampler(self._rows)
        self._said.push(np.zeros((self._rows, HALF_TAPS), np.float32))
        self._play: Samples = np.zeros((self._rows, PLAY_SAMPLES), np.int16)
        self._fill = 0.0
        self._told_following: bool | None = None
        self._owed = 0
        """Blocks read from the card for which none has been written yet."""
        self._skip_write = False
        self._ratio = 1.0
        self._events: deque[api.PortEvent] = deque()

    def forget_drift(self) -> None:
        """Another crystal counts, here or in the leader."""
        self.drift = DriftMeter(getattr(self._board, "grain", 0))

    @property
    def steady(self) -> bool:
        """Whether it paces as well as any."""
        return bool(getattr(self._board, "steady", True))

    # ----------------------------------------------------------- as a Board
    @property
    def id(self) -> str:
        """Of the card."""
        return self._board.id

    @property
    def caps(self) -> api.CardCaps:
        """Of the card."""
        return self._board.caps

    @property
    def ports(self) -> Sequence[api.PortInfo]:
        """Of the card."""
        return self._board.ports

    @property
    def inner(self) -> Board:
        """The card itself."""
        return self._board

    @property
    def echo_blocks(self) -> int:
        """By how many blocks the card plays late, as `Board.echo_blocks`. While it follows, its queues move
        and nobody knows."""
        return int(getattr(self._board, "echo_blocks", 0)) if self.leads else 0

    @property
    def leads(self) -> bool:
        """This card paces the tick."""
        return self._clocks.leader is self

    @property
    def _follows(self) -> bool:
        return self.can_follow and not self.leads

    def command(self, port: int, command: api.Command) -> int:
        """See `Board`."""
        with self._watched:
            return self._board.command(port, command)

    def measure(self, port: int) -> api.LineMeasure:
        """See `Board`."""
        with self._watched:
            return self._board.measure(port)

    def close(self) -> None:
        """See `Board`."""
        self.alive = False
        self._board.close()

    def read(self) -> api.Tick:
        """Next block in the leader's time. Raises BoardError when the card is lost."""
        self._clocks.ensure_leader()
        with self._watched:
            if self._follows is not self._told_following:
                self._told_following = self._follows
                if (follow := getattr(self._board, "follow", None)) is not None:
                    follow(self._follows)
            return self._follow() if self._follows else self._lead()

    def write(self, audio: Samples) -> None:
        """Samples int16 [ports, 160] of the leader's time, to be played next."""
        with self._watched:
            if self._follows:
                self._write_following(audio)
            else:
                self._board.write(audio)

    def _write_following(self, audio: Samples) -> None:
        if not self._skip_write:
            self._said.push(audio)
            count = int((self._said.fill - 1) * self._ratio)
            made = self._said.pull(count, 1 / self._ratio)
            np.rint(made, out=made)
            self._play = np.concatenate([self._play, np.clip(made, -32768, 32767).astype(np.int16)], axis=1)
        while self._owed:
            self._owed -= 1
            self._write_block()
        if (spare := self._play.shape[1] - MOST_PLAY_SAMPLES) > 0:
            self._slipped(spare)
            self._play = self._play[:, spare:]

    # ------------------------------------------------------------- two ways
    def _lead(self) -> api.Tick:
        if self._waits is not None and not self._waits.wait(LEAD_WAIT_S):
            if self._clocks.give_way(self):
                log.warning("card %s gives no samples: another card leads now", self.id)
                self._reset()
            return self._nothing()
        tick = self._board.read()
        self.taken += BLOCK_SAMPLES + tick.lost
        self.counters.lost_samples += tick.lost
        clock, self._clock = self._clock, self._clock + BLOCK_SAMPLES
        moved = clock - tick.clock
        if not moved and not self._events:
            return tick
        # What waited for its place in the sound while this card followed is overdue.
        late = [replace(event, clock=clock) for event in self._events]
        self._events.clear()
        now = [replace(event, clock=event.clock + moved) for event in tick.events]
        return replace(tick, clock=clock, events=(*late, *now))

    def _nothing(self) -> api.Tick:
        """A tick without samples of this card."""
        self.counters.underruns += 1
        self._skip_write = True
        clock, self._clock = self._clock, self._clock + BLOCK_SAMPLES
        return api.Tick(clock, np.zeros((self._rows, BLOCK_SAMPLES), np.int16))

    def _follow(self) -> api.Tick:
        lost = self._take_all()
        self._steer()
        step = self._ratio
        enough = self._heard.can(BLOCK_SAMPLES, step)
        if enough:
            self._skip_write = False
            made = self._heard.pull(BLOCK_SAMPLES, step)
            np.rint(made, out=made)
            audio = np.clip(made, -32768, 32767).astype(np.int16)
            tick = api.Tick(self._clock, audio, lost=lost)
            self._clock += BLOCK_SAMPLES
        else:
            tick = replace(self._nothing(), lost=lost)
        return replace(tick, events=self._due_events())

    def _take_all(self) -> int:
        """Move every block that the card has into the queue; samples it has lost."""
        lost = 0
        assert self._waits is not None
        while self._waits.wait(0.0):
            tick = self._board.read()
            self._heard.push(tick.audio)
            self.taken += BLOCK_SAMPLES + tick.lost
            self._owed += 1
            lost += tick.lost
            for event in tick.events:
                # By place in the queue: age at the newest sample that was read.
                self._events.append(
                    replace(event, clock=self.taken - (tick.clock + BLOCK_SAMPLES - event.clock))
                )
            if self._heard.fill > self._target + MOST_SPARE_SAMPLES:
                spare = self._heard.fill - self._target
                self._heard.skip(spare)
                self._slipped(round(spare))
                self._fill = 0.0
        if lost:
            self.counters.lost_samples += lost
            self.drift.break_line()
        return lost

    def _steer(self) -> None:
        waiting = _waiting(self._board)
        epoch: int = getattr(self._board, "epoch", 0)
        if epoch != self._epoch:
            self._epoch = epoch
            self.forget_drift()
        self.drift.note(self._clocks.time(), self.taken + waiting)
        off = self._heard.fill + waiting - self._clocks.backlog() - self._target
        self._fill += FILL_SMOOTHING * (off - self._fill)
        pull = max(-MOST_PULL_PPM, min(MOST_PULL_PPM, PULL_PPM_PER_SAMPLE * self._fill))
        self._ratio = 1.0 + (self.drift.ppm + pull) * 1e-6

    def _due_events(self) -> tuple[api.PortEvent, ...]:
        """Events whose place in the sound has been reached, on the clock of the ticks."""
        reached = self.taken - self._heard.fill - HALF_TAPS
        found = []
        for _ in range(len(self._events)):
            event = self._events.popleft()
            if event.clock <= reached or isinstance(event, api.PortGone):
                found.append(
                    replace(event, clock=min(self._clock, self._clock - round(reached - event.clock)))
                )
            else:
                self._events.append(event)
        return tuple(found)

    def _write_block(self) -> None:
        block = self._play[:, :BLOCK_SAMPLES]
        self._play = self._play[:, BLOCK_SAMPLES:]
        if block.shape[1] < BLOCK_SAMPLES:
            self.counters.play_underruns += 1
            silence = np.zeros((self._rows, BLOCK_SAMPLES - block.shape[1]), np.int16)
            block = np.concatenate([block, silence], axis=1)
        self._board.write(block)

    def _slipped(self, samples: int) -> None:
        self.counters.slips += 1
        self.counters.slipped_samples += samples

    # --------------------------------------------------------------- facts
    def health(self) -> dict[str, Any]:
        """Role, drift and counters; `device`: what the card itself counts."""
        own = getattr(self._board, "health", None)
        return {
            "card": self.id,
            "leads": self.leads,
            "drift_ppm": 0.0 if self.leads else round(self.drift.ppm, 1),
            "fill_ms": 0.0 if self.leads else round(self._heard.fill / 8, 1),
            **asdict(self.counters),
            "device": own() if own is not None else {},
        }


class Clocks:
    """All cards of one box, in one time. Cards may be added; one that failed is left out."""

    def __init__(self, boards: Sequence[Board] = ()) -> None:
        """The first card that can only lead does so; without one, the first that paces steadily."""
        self._paced: list[PacedBoard] = []
        self.leader: PacedBoard | None = None
        self.boards = [self.add(board) for board in boards]
        """The cards as the engine uses them, in the order given."""
        self._lead(self._best())

    def add(self, board: Board) -> PacedBoard:
        """One more card: it follows, unless there is none to follow."""
        paced = PacedBoard(board, self)
        self._paced = [one for one in self._paced if one.alive] + [paced]
        self.ensure_leader()
        return paced

    def time(self) -> int:
        """Samples that the leader has captured."""
        return self.leader.taken + self.backlog() if self.leader is not None else 0

    def backlog(self) -> int:
        """Samples that the leader has captured and we have not read."""
        return _waiting(self.leader.inner) if self.leader is not None else 0

    def ensure_leader(self) -> None:
        """Let another card lead when the one that did has failed."""
        if self.leader is None or not self.leader.alive:
            self._lead(self._best())

    def give_way(self, tired: PacedBoard) -> bool:
        """Another card than this one leads from now on; False when there is none."""
        other = self._best(tired)
        if other is not None:
            self._lead(other)
        return other is not None

    def _best(self, without: PacedBoard | None = None) -> PacedBoard | None:
        able = [paced for paced in self._paced if paced.alive and paced is not without]
        # False sorts before True, and the order given is kept.
        able.sort(key=lambda one: (one.can_follow, not one.steady))
        return able[0] if able else None

    def _lead(self, paced: PacedBoard | None) -> None:
        self.leader = paced
        for one in self._paced:
            one.forget_drift()

    def health(self) -> list[dict[str, Any]]:
        """Of every card that is there."""
        return [paced.health() for paced in self._paced if paced.alive]


def _waiting(board: Board) -> int:
    """Samples captured and not yet read, where the card can tell; otherwise 0."""
    waiting = getattr(board, "waiting", None)
    return 0 if waiting is None else int(waiting())
