"""The boot state: which system starts next, how often it may try, and whether it was confirmed.

Two copies on the ESP, each a GRUB environment block of 1024 bytes whose variables lie in the first
512: one sector, which a disk writes wholly or not at all. They are written in place and in turn; the
valid one with the higher SEQ counts. GRUB reads and counts down (image/boot/grub.cfg), this confirms,
orders and repairs. Programs that change it wait for each other. With both copies lost GRUB goes round
by a third block, "turn": which of A, B and recovery is next.

    python -m image.box.bootstate show | repair | confirm A | order-recovery | clear-recovery | retry
    python -m image.box.bootstate get-primary | set-primary A | get-state A | set-state A good|bad   (RAUC)
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from image.box import files

FOLDER = Path("/boot/esp/zongji")
COPIES = ("state-1", "state-2")
TURN = "turn"
ORDER_FILE = "order.json"
"""What recovery is to do, in the config partition or here; it counts only while recovery is ordered."""
BLOCK_BYTES = 1024
SECTOR_BYTES = 512
HEADER = b"# GRUB Environment Block\n"
NAMES = ("SEQ", "ORDER", "A_OK", "A_TRY", "B_OK", "B_TRY", "RECOVERY", "R_TRY")
LATER = {"R_TRY": "3"}
"""Names that a state may lack, with what counts then: boot loader, recovery and each system may be of other
versions, and each must read what another has written."""
SLOTS = ("A", "B")
FULL_TRIES = 3
ORDERS = {"A": ("A",), "B": ("B",), "A B": ("A", "B"), "B A": ("B", "A")}
SEQ_LIMIT = 10**9
"""GRUB takes nine digits; a box that starts once a minute needs 900 years for them."""

OK, ONE_LOST, LOST = "ok", "one_lost", "lost"


class BootStateError(Exception):
    """The boot state cannot be read, written or changed as asked; the text says why."""


@dataclass(frozen=True)
class Slot:
    """One system."""

    confirmed: bool
    tries: int
    """Starts that are left, 0 to 3."""


@dataclass(frozen=True)
class State:
    """What one copy says."""

    seq: int
    order: tuple[str, ...]
    a: Slot
    b: Slot
    recovery: bool = False
    """Is it ordered?"""
    recovery_tries: int = FULL_TRIES
    """Starts of recovery that are left, 0 to 3, until it has come up."""

    def slot(self, name: str) -> Slot:
        """The slot A or B."""
        return {"A": self.a, "B": self.b}[_slot_name(name)]

    def with_slot(self, name: str, slot: Slot) -> State:
        """The same with another slot A or B."""
        return replace(self, a=slot) if _slot_name(name) == "A" else replace(self, b=slot)


FRESH = State(1, ("A",), Slot(False, FULL_TRIES), Slot(False, 0))
"""As the image is made: one system, not yet confirmed."""
UNKNOWN = State(1, ("A", "B"), Slot(False, FULL_TRIES), Slot(False, FULL_TRIES))
"""When both copies are lost: whatever is on the disk may try."""


def _slot_name(name: str) -> str:
    if name not in SLOTS:
        raise BootStateError(f"there is no system {name!r}; there are A and B")
    return name


def encode(state: State) -> bytes:
    """One copy, as GRUB's `load_env` wants it."""
    values = (
        str(state.seq),
        " ".join(state.order),
        str(int(state.a.confirmed)),
        str(state.a.tries),
        str(int(state.b.confirmed)),
        str(state.b.tries),
        str(int(state.recovery)),
        str(state.recovery_tries),
    )
    return _block(dict(zip(NAMES, values, strict=True)))


def encode_turn(which: str = "A") -> bytes:
    """The block that tells which is next while both copies are lost: A, B or recovery."""
    return _block({"TURN": which})


def _block(values: Mapping[str, str]) -> bytes:
    text = HEADER + b"".join(f"{name}={value}\n".encode() for name, value in values.items())
    return text.ljust(BLOCK_BYTES, b"#")


def decode(block: bytes) -> State | None:
    """What a copy says, or None when it is damaged. The rule is the one in grub.cfg."""
    if len(block) != BLOCK_BYTES or not block.startswith(HEADER):
        return None
    found: dict[str, str] = {}
    for line in block[:SECTOR_BYTES].decode("latin-1").split("\n")[1:]:
        name, equals, value = line.partition("=")
        if equals and name in NAMES:
            found[name] = value
    for name, usual in LATER.items():
        found.setdefault(name, usual)
    joined = ";".join(found.get(name, "") for name in NAMES)
    if not re.fullmatch(r"[0-9]{1,9};(A|B|A B|B A);[01];[0-3];[01];[0-3];[01];[0-3]", joined):
        return None
    return State(
        int(found["SEQ"]),
        ORDERS[found["ORDER"]],
        Slot(found["A_OK"] == "1", int(found["A_TRY"])),
        Slot(found["B_OK"] == "1", int(found["B_TRY"])),
        found["RECOVERY"] == "1",
        int(found["R_TRY"]),
    )


def read_copies(folder: Path = FOLDER) -> list[State | None]:
    """Both copies; None for one that is missing, damaged, or not read by the disk any more. Raises OSError
    where no copy is known and the disk may only have failed to read one."""
    copies: list[State | None] = []
    unread: OSError | None = None
    for name in COPIES:
        try:
            copies.append(decode((folder / name).read_bytes()))
        except OSError as error:
            copies.append(None)
            if not isinstance(error, FileNotFoundError | IsADirectoryError):
                unread = error
    if unread is not None and copies == [None, None]:
        raise unread
    return copies


def _newest(copies: Sequence[State | None]) -> int | None:
    """Index of the copy that counts: the second when both have the same SEQ, as in grub.cfg."""
    best: int | None = None
    for index, copy in enumerate(copies):
        if copy is None:
            continue
        held = copies[best] if best is not None else None
        if held is None or copy.seq >= held.seq:
            best = index
    return best


def health(folder: Path = FOLDER) -> str:
    """ok, one_lost or lost."""
    return {2: OK, 1: ONE_LOST, 0: LOST}[sum(copy is not None for copy in read_copies(folder))]


def load(folder: Path = FOLDER) -> State:
    """The state that counts; UNKNOWN when both copies are lost. Raises OSError."""
    copies = read_copies(folder)
    newest = _newest(copies)
    state = copies[newest] if newest is not None else None
    return state if state is not None else UNKNOWN


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Nobody else changes the state meanwhile: each reads it, changes it and writes it back."""
    folder.mkdir(exist_ok=True)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def save(state: State, folder: Path = FOLDER) -> State:
    """Write into the copy that does not count, with the next SEQ; returns what was written. Raises
    OSError."""
    with _alone(folder):
        return _save(state, folder)


def _save(state: State, folder: Path) -> State:
    copies = read_copies(folder)
    newest = _newest(copies)
    held = copies[newest] if newest is not None else None
    written = replace(state, seq=(held.seq + 1 if held is not None else state.seq) % SEQ_LIMIT)
    if newest is None:
        _write(folder / COPIES[0], encode(written))
        _write(folder / COPIES[1], encode(written))
        return written
    alone = copies[1 - newest] is None
    try:
        _write(folder / COPIES[1 - newest], encode(written))
    except OSError as error:
        print(f"boot state: {COPIES[1 - newest]} cannot be written: {error}", file=sys.stderr)
        alone = True
    if alone:
        # The disk may have given up the other one's sector. One sector is written wholly or not at all, and
        # so the copy that counts may be written over.
        _write(folder / COPIES[newest], encode(written))
    return written


def repair(folder: Path = FOLDER) -> str:
    """Write a copy that is lost anew from the other one, or both as UNKNOWN; tells what was found."""
    with _alone(folder):
        found = health(folder)
        if found != OK:
            _save(load(folder), folder)
        try:
            if _read(folder / TURN) != encode_turn():
                _write(folder / TURN, encode_turn())
        except OSError as error:  # it counts only when the copies are lost, too
            print(f"boot state: {TURN} cannot be written: {error}", file=sys.stderr)
    return found


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def change(step: Callable[[State], State], folder: Path = FOLDER) -> State:
    """Load, change, and save when that differs."""
    with _alone(folder):
        before = load(folder)
        after = step(before)
        return before if after == before else _save(after, folder)


def confirm(slot: str, folder: Path = FOLDER) -> State:
    """This system is healthy: it may start as often as it likes."""
    return change(lambda state: state.with_slot(slot, Slot(True, FULL_TRIES)), folder)


def order_recovery(folder: Path = FOLDER) -> State:
    """Start recovery next time, and until it is cleared or has not come up in three starts."""
    return change(lambda state: replace(state, recovery=True, recovery_tries=FULL_TRIES), folder)


def recovery_is_up(folder: Path = FOLDER) -> State:
    """The disk's recovery system has come up: it may start as often as it is needed."""
    return change(lambda state: replace(state, recovery_tries=FULL_TRIES), folder)


def order_begun(config: Path, folder: Path = FOLDER) -> bool:
    """Has recovery begun with what it was ordered to do? config: the config partition's folder."""
    return any("step" in order for order in _orders(config, folder).values())


def drop_order(config: Path, folder: Path = FOLDER) -> None:
    """Forget what recovery has not begun to do. Raises OSError."""
    for path, order in _orders(config, folder).items():
        if "step" not in order:
            files.remove(path)


def _orders(config: Path, folder: Path) -> dict[Path, dict[str, Any]]:
    found = {}
    for path in (config / ORDER_FILE, folder / ORDER_FILE):
        try:
            order = files.read_json(path)
        except ValueError:
            order = {}
        if order is not None:
            found[path] = order
    return found


def recovery_told(folder: Path = FOLDER) -> State:
    """That recovery has not come up was read: it is not ordered any more, and may be tried again."""
    return change(lambda state: replace(state, recovery=False, recovery_tries=FULL_TRIES), folder)


def clear_recovery(folder: Path = FOLDER) -> State:
    """Start a system again next time."""
    return change(lambda state: replace(state, recovery=False), folder)


def retry(folder: Path = FOLDER) -> State:
    """Give each confirmed system one more try, all of them where none is confirmed; recovery is no longer
    ordered."""

    def step(state: State) -> State:
        chosen = [name for name in state.order if state.slot(name).confirmed] or list(state.order)
        for name in chosen:
            slot = state.slot(name)
            state = state.with_slot(name, replace(slot, tries=max(1, slot.tries)))
        return replace(state, recovery=False)

    return change(step, folder)


def set_primary(slot: str, folder: Path = FOLDER) -> State:
    """A new system is in this slot: first in the order, three tries, not yet confirmed."""

    def step(state: State) -> State:
        others = tuple(name for name in state.order if name != slot)
        return replace(state.with_slot(slot, Slot(False, FULL_TRIES)), order=(slot, *others), recovery=False)

    _slot_name(slot)
    return change(step, folder)


def set_state(slot: str, state_name: str, folder: Path = FOLDER) -> State:
    """RAUC's word on a slot. bad: it is being written, or was given up; it leaves the order."""
    _slot_name(slot)
    if state_name == "good":
        return confirm(slot, folder)
    if state_name != "bad":
        raise BootStateError(f"a system is good or bad, not {state_name!r}")

    def step(state: State) -> State:
        others = tuple(name for name in state.order if name != slot)
        return replace(state.with_slot(slot, Slot(False, 0)), order=others or state.order)

    return change(step, folder)


def get_primary(folder: Path = FOLDER) -> str:
    """The slot that starts next."""
    state = load(folder)
    return next((name for name in state.order if state.slot(name).tries), state.order[0])


def get_state(slot: str, folder: Path = FOLDER) -> str:
    """good when it has tries left."""
    return "good" if load(folder).slot(slot).tries else "bad"


def _write(path: Path, block: bytes) -> None:
    """In place where the file is there, so that the directory and the FAT stay as they are."""
    if path.is_dir():  # as a repair of the FAT may leave it
        shutil.rmtree(path)
    fresh = not path.exists()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        # The first sector carries everything: the other one is padding and is written first.
        os.pwrite(handle, block[SECTOR_BYTES:], SECTOR_BYTES)
        os.fsync(handle)
        os.pwrite(handle, block[:SECTOR_BYTES], 0)
        os.ftruncate(handle, BLOCK_BYTES)
        os.fsync(handle)
    finally:
        os.close(handle)
    if fresh:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def describe(folder: Path = FOLDER) -> str:
    """One line for people and logs."""
    state = load(folder)
    slots = " ".join(
        f"{name}={'confirmed' if slot.confirmed else 'unconfirmed'},{slot.tries}"
        for name, slot in (("A", state.a), ("B", state.b))
    )
    order = " ".join(state.order)
    recovery = f"RECOVERY={int(state.recovery)},{state.recovery_tries}"
    return f"{health(folder)} SEQ={state.seq} ORDER={order} {slots} {recovery}"


def main(words: Sequence[str]) -> int:
    """The program; see the module's text."""
    match list(words):
        case ["show"]:
            print(describe())
        case ["repair"]:
            print(f"boot state: {repair()}")
        case ["confirm", slot]:
            confirm(slot)
        case ["order-recovery"]:
            order_recovery()
        case ["clear-recovery"]:
            clear_recovery()
        case ["retry"]:
            retry()
        case ["get-primary"]:
            print(get_primary())
        case ["set-primary", slot]:
            set_primary(slot)
        case ["get-state", slot]:
            print(get_state(slot))
        case ["set-state", slot, state_name]:
            set_state(slot, state_name)
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (BootStateError, OSError) as error:
        print(f"bootstate: {error}", file=sys.stderr)
        sys.exit(1)
