"""The boot state on a disk that loses its power between any two sectors."""

import os
import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as some

from image.box import bootstate
from image.box.bootstate import Slot, State

slots = some.builds(Slot, some.booleans(), some.integers(0, 3))
states = some.builds(
    State,
    some.integers(1, 999_999_000),
    some.sampled_from(list(bootstate.ORDERS.values())),
    slots,
    slots,
    some.booleans(),
    some.integers(0, 3),
)
changes = some.sampled_from(
    [
        lambda folder: bootstate.confirm("A", folder),
        lambda folder: bootstate.confirm("B", folder),
        bootstate.order_recovery,
        bootstate.clear_recovery,
        bootstate.recovery_is_up,
        bootstate.retry,
        lambda folder: bootstate.set_primary("A", folder),
        lambda folder: bootstate.set_primary("B", folder),
        lambda folder: bootstate.set_state("A", "bad", folder),
        lambda folder: bootstate.set_state("B", "bad", folder),
    ]
)


class PowerCut(Exception):
    """The disk gets nothing any more."""


class Disk:
    """Lets `left` sectors be written, then none."""

    def __init__(self, left):
        self.left = left
        self.real = os.pwrite

    def pwrite(self, handle, data, at):
        assert at % 512 == 0, "a write that does not begin at a sector may be torn"
        for start in range(0, len(data), 512):
            if self.left == 0:
                raise PowerCut
            self.left -= 1
            self.real(handle, data[start : start + 512], at + start)
        return len(data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("zongji")


def put(folder, first, second):
    (folder / "state-1").write_bytes(first)
    (folder / "state-2").write_bytes(second)


def meaning(state):
    return replace(state, seq=0)


@given(states, some.booleans(), some.lists(changes, min_size=1, max_size=4), some.integers(0, 9))
def test_a_power_cut_between_any_two_sectors_leaves_the_state_before_or_after(
    folder, state, swapped, steps, sectors
):
    copies = [bootstate.encode(state), bootstate.encode(replace(state, seq=state.seq + 1))]
    put(folder, *(reversed(copies) if swapped else copies))
    disk = Disk(sectors)
    before = after = bootstate.load(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "pwrite", disk.pwrite)
        try:
            for step in steps:
                before = bootstate.load(folder)
                with pytest.MonkeyPatch.context() as whole:
                    kept = {name: (folder / name).read_bytes() for name in bootstate.COPIES}
                    whole.setattr(os, "pwrite", disk.real)
                    after = step(folder)
                    for name, block in kept.items():
                        (folder / name).write_bytes(block)
                step(folder)
        except PowerCut:
            pass
    assert bootstate.health(folder) == bootstate.OK
    assert meaning(bootstate.load(folder)) in (meaning(before), meaning(after))


@given(states, some.binary(min_size=0, max_size=1100), some.booleans())
def test_one_copy_of_garbage_costs_nothing_and_is_mended(folder, state, garbage, first):
    good = bootstate.encode(state)
    put(folder, *((garbage, good) if first else (good, garbage)))
    if bootstate.decode(garbage) is None:
        assert bootstate.load(folder) == state
        assert bootstate.repair(folder) == bootstate.ONE_LOST
        assert bootstate.health(folder) == bootstate.OK
        assert meaning(bootstate.load(folder)) == meaning(state)


@given(some.binary(max_size=1100), some.binary(max_size=1100))
def test_both_copies_of_garbage_give_every_system_its_tries(folder, one, two):
    put(folder, one, two)
    assert bootstate.repair(folder) == bootstate.LOST
    assert bootstate.health(folder) == bootstate.OK
    assert meaning(bootstate.load(folder)) == meaning(bootstate.UNKNOWN)


@given(
    some.one_of(
        some.binary(max_size=1100), some.sampled_from(["A", "B", "recovery"]).map(bootstate.encode_turn)
    )
)
def test_the_turn_that_counts_while_both_are_lost_begins_with_a_again(folder, turn):
    good = bootstate.encode(bootstate.FRESH)
    put(folder, good, good)
    (folder / bootstate.TURN).write_bytes(turn)
    assert bootstate.repair(folder) == bootstate.OK
    assert (folder / bootstate.TURN).read_bytes() == bootstate.encode_turn("A")
    (folder / bootstate.TURN).unlink()
    bootstate.repair(folder)
    assert (folder / bootstate.TURN).read_bytes() == bootstate.encode_turn("A")


@given(states)
def test_an_order_for_recovery_and_its_coming_up_give_it_all_its_starts(folder, state):
    block = bootstate.encode(state)
    for change, ordered in ((bootstate.order_recovery, True), (bootstate.recovery_is_up, state.recovery)):
        put(folder, block, block)
        change(folder)
        after = bootstate.load(folder)
        assert (after.recovery, after.recovery_tries) == (ordered, 3)
        assert meaning(replace(after, recovery=False)) == meaning(
            replace(state, recovery=False, recovery_tries=3)
        )


@given(states)
def test_a_state_that_an_earlier_version_wrote_counts(state):
    earlier = bootstate.encode(state).replace(b"R_TRY=%d\n" % state.recovery_tries, b"").ljust(1024, b"#")
    assert bootstate.decode(earlier) == replace(state, recovery_tries=3)


@given(states)
def test_a_copy_reads_back_as_it_was_written_and_fits_its_first_sector(state):
    block = bootstate.encode(state)
    assert bootstate.decode(block) == state
    assert len(block) == 1024
    assert b"=" not in block[512:]


@pytest.mark.parametrize("name", ["state-1", "state-2"])
def test_a_missing_copy_is_made_anew(tmp_path, name):
    folder = tmp_path / "zongji"
    folder.mkdir()
    put(folder, bootstate.encode(bootstate.FRESH), bootstate.encode(bootstate.FRESH))
    (folder / name).unlink()
    assert bootstate.repair(folder) == bootstate.ONE_LOST
    assert bootstate.health(folder) == bootstate.OK


@pytest.mark.parametrize("name", ["state-1", "state-2"])
@pytest.mark.parametrize("also_writing", [False, True])
def test_a_copy_that_the_disk_does_not_read_any_more_is_told_and_costs_no_try(
    tmp_path, monkeypatch, name, also_writing
):
    block = bootstate.encode(bootstate.FRESH)
    put(tmp_path, block, block)
    bad = tmp_path / name
    read, opened = bootstate.Path.read_bytes, os.open

    def read_bytes(path):
        if path == bad:
            raise OSError(5, "Input/output error")
        return read(path)

    def open_(path, *rest, **more):
        if also_writing and path == bad:
            raise OSError(5, "Input/output error")
        return opened(path, *rest, **more)

    with monkeypatch.context() as disk:
        disk.setattr(bootstate.Path, "read_bytes", read_bytes)
        disk.setattr(os, "open", open_)
        assert bootstate.repair(tmp_path) == bootstate.ONE_LOST
        bootstate.confirm("A", tmp_path)
        assert bootstate.load(tmp_path).a == bootstate.Slot(True, 3)
    if not also_writing:
        assert bootstate.health(tmp_path) == bootstate.OK


def test_a_disk_that_reads_neither_copy_for_a_moment_costs_no_state(tmp_path, monkeypatch):
    given_up = bootstate.State(5, ("B", "A"), bootstate.Slot(False, 0), bootstate.Slot(True, 3))
    put(tmp_path, bootstate.encode(given_up), bootstate.encode(given_up))

    def read_bytes(path):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as disk:
        disk.setattr(bootstate.Path, "read_bytes", read_bytes)
        with pytest.raises(OSError, match="Input/output"):
            bootstate.confirm("B", tmp_path)
    assert bootstate.load(tmp_path) == given_up


def test_a_folder_in_the_place_of_a_copy_is_replaced(tmp_path):
    put(tmp_path, bootstate.encode(bootstate.FRESH), bootstate.encode(bootstate.FRESH))
    (tmp_path / "state-2").unlink()
    (tmp_path / "state-2" / "FSCK0000.REC").mkdir(parents=True)
    assert bootstate.repair(tmp_path) == bootstate.ONE_LOST
    assert bootstate.health(tmp_path) == bootstate.OK


def test_an_update_as_rauc_does_it(tmp_path):
    put(tmp_path, bootstate.encode(bootstate.FRESH), bootstate.encode(bootstate.FRESH))
    bootstate.confirm("A", tmp_path)
    bootstate.set_state("B", "bad", tmp_path)
    assert bootstate.get_primary(tmp_path) == "A"
    assert (bootstate.get_state("A", tmp_path), bootstate.get_state("B", tmp_path)) == ("good", "bad")
    bootstate.set_primary("B", tmp_path)
    state = bootstate.load(tmp_path)
    assert state.order == ("B", "A")
    assert state.b == Slot(confirmed=False, tries=3)
    assert state.a == Slot(confirmed=True, tries=3)


def test_recovery_that_nobody_touched_gives_the_confirmed_system_one_try(tmp_path):
    spent = State(7, ("B", "A"), Slot(True, 0), Slot(False, 0), recovery=True)
    put(tmp_path, bootstate.encode(spent), bootstate.encode(replace(spent, seq=8)))
    bootstate.retry(tmp_path)
    state = bootstate.load(tmp_path)
    assert (state.a.tries, state.b.tries, state.recovery) == (1, 0, False)


def test_a_slot_that_is_not_there_is_named(tmp_path):
    put(tmp_path, bootstate.encode(bootstate.FRESH), bootstate.encode(bootstate.FRESH))
    with pytest.raises(bootstate.BootStateError, match="'C'"):
        bootstate.set_primary("C", tmp_path)


def test_programs_that_change_the_state_at_once_lose_nothing(tmp_path):
    bootstate.save(bootstate.FRESH, tmp_path)
    before = bootstate.load(tmp_path).seq

    def work():
        for _ in range(25):
            bootstate.change(lambda state: replace(state, recovery=not state.recovery), tmp_path)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert bootstate.load(tmp_path).seq == before + 100
