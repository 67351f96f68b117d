"""A line in a call outlives the program: what the card does with who holds its descriptor meanwhile."""

import errno

import pytest
from dahdi_fake_kernel import card

from board.api import CommandFailed, KeepLine, LineKept, RingOn, SetHook
from board.dahdi import DahdiBoard, DahdiSettings, ioctls
from board.keep import Left

LINE, OTHER_LINE, PHONE = 0, 1, 2


class Holder:
    """Holds copies of descriptors as systemd does, on the made-up kernel."""

    def __init__(self, kernel):
        self.kernel = kernel
        self.held = {}
        self.failing = False

    def take(self, name):
        return self.held.pop(name, None)

    def put(self, name, fd, note):
        self.drop(name)
        self.held[name] = Left(self.kernel.copy(fd), note)

    def drop(self, name):
        left = self.held.pop(name, None)
        if left is not None:
            self.kernel.close(left.fd)

    def leaves(self, name):
        return self.failing and name in self.held


class Life:
    """One program after the other on the same card."""

    def __init__(self):
        self.kernel = card()
        self.holder = Holder(self.kernel)
        self.board = None
        self.begin()

    def begin(self):
        self.board = DahdiBoard("", DahdiSettings(), kernel=self.kernel, keeper=self.holder)
        return self.run(3)

    def run(self, ticks=1):
        events = []
        for _ in range(ticks):
            events += self.board.read().events
        return events

    def do(self, command, port=LINE):
        self.board.command(port, command)
        return self.run()

    def dies(self):
        """The kernel closes what the program had open."""
        copies = {left.fd for left in self.holder.held.values()}
        for fd in [fd for fd in self.kernel.files if fd not in copies]:
            self.kernel.close(fd)

    @property
    def line(self):
        return self.kernel.channels[1]


@pytest.fixture
def life():
    found = Life()
    yield found
    found.holder.failing = False
    found.board.close()
    assert not found.kernel.files, "descriptors are left open"


def test_a_kept_line_is_found_off_hook_with_its_note_and_nothing_else_is(life):
    life.do(SetHook(True))
    life.do(SetHook(True), OTHER_LINE)
    life.do(KeepLine("shown 13800138000"))
    life.line.hooks.clear()
    life.dies()
    (found,) = life.begin()
    assert (type(found), found.port, found.note) == (LineKept, LINE, "shown 13800138000")
    assert life.line.hooks == []
    assert life.board.measure(LINE).off_hook is True
    assert life.board.measure(OTHER_LINE).off_hook is False
    # It is the new program's alone: should that die too, the line ends with it.
    assert life.holder.held == {}
    life.do(SetHook(False))
    assert life.line.hooks == [ioctls.HOOK_RINGOFF]


def test_a_line_that_was_put_on_hook_is_kept_no_more(life):
    life.do(SetHook(True))
    life.do(KeepLine("shown 1"))
    life.do(SetHook(False))
    life.do(SetHook(True))
    life.dies()
    assert life.begin() == []


def test_a_line_that_the_kernel_gives_late_is_kept_from_then_on(life):
    life.line.faults[ioctls.HOOK] = [errno.EBUSY]
    life.board.command(LINE, SetHook(True))
    life.board.command(LINE, KeepLine("shown 1"))
    assert life.holder.held == {}
    life.run()
    assert [left.note for left in life.holder.held.values()] == ["shown 1"]


def leave_off_hook(life):
    life.do(SetHook(True))
    life.do(KeepLine("shown 1"))
    life.line.hooks.clear()


def test_a_line_that_was_put_on_hook_in_the_last_moment_is_free(life):
    """The program died between hanging up and telling so."""
    leave_off_hook(life)
    life.line.tx_hook = ioctls.TX_ONHOOK
    life.dies()
    assert life.begin() == []
    assert life.line.hooks == [ioctls.HOOK_RINGOFF]
    assert life.board.measure(LINE).off_hook is False


@pytest.mark.parametrize("sign", [ioctls.EVENT_ONHOOK, ioctls.EVENT_ALARM, None])
def test_a_caller_who_has_gone_meanwhile_leaves_a_free_line(life, sign):
    leave_off_hook(life)
    life.dies()
    if sign is None:
        life.line.rx_hook = ioctls.RX_ONHOOK  # no battery now
    else:
        life.line.say(sign)
    assert not any(isinstance(event, LineKept) for event in life.begin())
    assert life.line.hooks == [ioctls.HOOK_RINGOFF]


def test_a_program_that_is_asked_to_end_hangs_up(life):
    life.do(SetHook(True))
    life.do(KeepLine("shown 1"))
    life.board.close()
    assert life.line.hooks[-1] == ioctls.HOOK_RINGOFF
    assert life.holder.held == {}
    assert life.begin() == []


def test_a_program_that_fails_leaves_the_line_as_it_is(life):
    life.do(SetHook(True))
    life.do(KeepLine("shown 1"))
    life.do(SetHook(True), OTHER_LINE)
    life.line.hooks.clear()
    life.holder.failing = True
    life.board.close()
    assert life.line.hooks == []
    assert life.kernel.channels[2].hooks[-1] == ioctls.HOOK_RINGOFF
    life.holder.failing = False
    assert [type(event) for event in life.begin()] == [LineKept]


def test_a_channel_of_a_card_that_was_pulled_meanwhile_is_opened_anew(life):
    life.do(SetHook(True))
    life.do(KeepLine("shown 1"))
    life.dies()
    life.line.faults[ioctls.SETLAW] = [errno.ENODEV]
    assert life.begin() == []
    life.line.say(ioctls.EVENT_RINGBEGIN)
    assert [type(event) for event in life.run()] == [RingOn]


def test_only_lines_can_be_kept_and_only_where_somebody_holds_them(life, make_bench):
    (failed,) = life.do(KeepLine("shown 1"), PHONE)
    assert isinstance(failed, CommandFailed)
    assert ["keeps" in port.can for port in life.board.ports] == [True, True, False, False]
    alone = make_bench()
    assert not any("keeps" in port.can for port in alone.board.ports)
    alone.do(LINE, SetHook(True))
    reason, _ = alone.do(LINE, KeepLine("shown 1"))
    assert reason == "nobody is there to keep the line"
