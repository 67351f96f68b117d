"""A caller outlives the engine: the line's descriptor is held, as systemd holds it, by the real kernel."""

import os
import select
import tempfile

import numpy as np

from board.dahdi import DahdiBoard, DahdiSettings, ioctls
from board.keep import Left
from board.sim.dtmf import dial
from tests.engine.engine_box import likeness, speech
from tests.guest.dahdi_loop import looped_spans
from tests.guest.guest import in_guest
from tests.guest.test_dahdi_story import OFF, RING, Box


class Holder:
    """Copies of descriptors, as long as this process lives."""

    def __init__(self):
        self.held = {}

    def take(self, name):
        return self.held.pop(name, None)

    def put(self, name, fd, note):
        self.drop(name)
        self.held[name] = Left(os.dup(fd), note)

    def drop(self, name):
        left = self.held.pop(name, None)
        if left is not None:
            os.close(left.fd)

    def leaves(self, name):
        return False


class MortalBox(Box):
    """A box whose engine dies and is started anew."""

    def __init__(self, root):
        self.holder = Holder()
        super().__init__(root)

    def open_card(self):
        return DahdiBoard("1", DahdiSettings(), keeper=self.holder)

    def dies(self):
        """The kernel closes what the engine had open; half a second later it is started anew."""
        for socket in self.board._sockets:
            os.close(socket.port.channel.fd)
        until = len(self.exchange.heard) + 25
        while len(self.exchange.heard) < until:
            assert select.select([self.exchange.fd], [], [], 5.0)[0], "the exchange hears nothing"
            self.exchange.tick()
            self.telephone.tick()
        self.begin()


@in_guest(timeout_s=240.0)
def test_a_caller_stays_on_the_line_when_the_engine_dies_and_is_greeted_anew():
    with tempfile.TemporaryDirectory() as root, looped_spans():
        box = MortalBox(root)
        try:
            return tell(box)
        finally:
            box.close()


def call_in(box):
    """The exchange rings, the box answers and greets."""
    box.exchange.events.clear()
    box.exchange.settle()
    box.exchange.hook(RING)
    box.until(lambda: ioctls.EVENT_RINGOFFHOOK in box.exchange.events, 20)
    box.exchange.hook(OFF)
    box.until(lambda: box.line_state() == "ivr")
    box.run(0.5)


def tell(box):
    exchange, welcome = box.exchange, speech("queue-thankyou")
    call_in(box)
    assert [left.note for left in box.holder.held.values()] == ["unavailable "]

    box.dies()
    box.run(0.5)
    begun = len(exchange.heard)
    assert box.line_state() == "ivr"
    assert [notice["code"] for notice in box.of("notice")][-1] == "call_kept"
    box.run(2.2)
    assert likeness(np.concatenate(exchange.heard[begun - 25 :]), welcome[4000:12000])[0] > 0.9

    # The caller goes on: a key leads to the queue.
    exchange.settle()
    exchange.say(dial("1"))
    box.until(lambda: box.line_state() == "queued", 3)
    # An exchange takes up to 1.25 s to tell hanging up from a flash: that is over by now.
    assert ioctls.EVENT_ONHOOK not in exchange.events, "the exchange has seen us hang up"

    # Once only: should the engine die of this call, the line is free after that.
    assert box.holder.held == {}
    box.dies()
    box.until(lambda: ioctls.EVENT_ONHOOK in exchange.events, 3)
    assert box.line_state() == "idle"

    # A call that the box has ended is not kept.
    exchange.hook(ioctls.HOOK_RINGOFF)
    box.run(2.5)
    call_in(box)
    assert len(box.holder.held) == 1
    box.run(1.5)  # the kernel looks at the battery again some time after the line was taken
    exchange.hook(ioctls.HOOK_ONHOOK)
    box.until(lambda: box.line_state() == "idle", 5)
    assert box.holder.held == {}
    return {"records": [record["end_reason"] for record in box.records()]}
