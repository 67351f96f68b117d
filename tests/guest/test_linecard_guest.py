"""Line cards made of the real kernel: control port a USB gadget (dummy_hcd, CDC-ACM), sound snd-aloop.

our back-end                 kernel                      reference card
/dev/ttyACM0   ── cdc_acm ── dummy_hcd ── usb_f_acm ──   /dev/ttyGS0
hw:0,0         ──────────── snd-aloop ──────────────     hw:0,1

snd-aloop carries at most 32 channels, so 64 ports are two cards; the second has the number 1 everywhere.
"""

import multiprocessing
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np

from appliance.engine.pace import RealTime
from board import api
from board.linecard.board import LinecardBoard
from board.linecard.reference.device import Device
from board.linecard.serialline import SerialLine
from board.linecard.sound import Sound
from board.registry import open_board
from tests.guest.guest import in_guest
from tests.guest.kernel_tree import REPOSITORY
from tests.guest.modules import modprobe

sys.path.append(str(REPOSITORY / "tests" / "board" / "linecard"))
from loopboard import DelayMeter, LoopBoard

GADGETS = Path("/sys/kernel/config/usb_gadget")
CARDS = 2
PORTS = 32
BLOCKS = 3000
"""A minute."""
WARM_UP = 100
"""Blocks until both ends have started and measured their fill."""


class Cable:
    """The USB cable of gadget `number`. Plugged in in that order, the ports get the same numbers."""

    def __init__(self, number):
        self._gadget = GADGETS / f"card{number}"
        self._controller = f"dummy_udc.{number}"
        self.host_port, self.card_port = f"/dev/ttyACM{number}", f"/dev/ttyGS{number}"
        self.serial = f"FXO32-000{number + 1}"
        modprobe("configfs")
        if not GADGETS.parent.is_mount():
            subprocess.run(["mount", "-t", "configfs", "configfs", GADGETS.parent], check=True)
        modprobe("dummy_hcd", f"num={CARDS}")
        for module in ("libcomposite", "usb_f_acm", "cdc_acm"):
            modprobe(module)
        if not self._gadget.is_dir():
            self._describe()

    def _describe(self):
        self._gadget.mkdir()
        english, config = self._gadget / "strings" / "0x409", self._gadget / "configs" / "c.1"
        for folder in (english, config, self._gadget / "functions" / "acm.0"):
            folder.mkdir(parents=True)
        for path, text in (
            (self._gadget / "idVendor", "0x1d6b"),
            (self._gadget / "idProduct", "0x0104"),
            (english / "serialnumber", self.serial),
            (english / "manufacturer", "Zongji"),
            (english / "product", "Reference line card"),
        ):
            path.write_text(text)
        (config / "acm.0").symlink_to(self._gadget / "functions" / "acm.0")

    def plug(self):
        (self._gadget / "UDC").write_text(self._controller)
        wait_for(Path(self.host_port).exists)

    def pull(self):
        """Idempotent."""
        if (self._gadget / "UDC").read_text().strip():
            (self._gadget / "UDC").write_text("\n")
        wait_for(lambda: not Path(self.host_port).exists())


def wait_for(what, within_s=10.0):
    end_s = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < end_s, "did not happen"
        time.sleep(0.02)


class CardSide(threading.Thread):
    """The reference card behind the kernel's devices."""

    def __init__(self, number, board, cable):
        super().__init__()
        self.device = Device(board, cable.serial)
        # In this slow machine the card thinks in Python too: it gets more room than a real one needs.
        self.sound = Sound(f"hw:{number},1", len(board.ports), prime=5)
        self._port = cable.card_port
        self.line = SerialLine(self._port)
        self.over = threading.Event()
        self.lock = threading.Lock()
        self.problem = None

    def run(self):
        # Closing a gadget's port takes up to 15 s when the cable is out: not in the way of the sound.
        threading.Thread(target=self.chat, daemon=True).start()
        try:
            while not self.over.is_set():
                if self.sound.wait(0.02):
                    played, _ = self.sound.read()
                    with self.lock:
                        heard = self.device.tick(played.astype(np.int16), time.monotonic())
                    self.sound.write(heard)
        except api.BoardError as error:
            self.problem = error

    def end(self):
        """Stop, and release everything."""
        self.over.set()
        self.join()
        self.sound.close()
        self.line.close()

    def chat(self):
        while not self.over.is_set():
            self.talk()
            time.sleep(0.005)

    def talk(self):
        try:
            data = self.line.read()
            with self.lock:
                self.device.feed(data, time.monotonic())
                said = self.device.outgoing()
            self.line.write(said)
        except api.BoardError:
            # The cable is out: the gadget's port hangs up and can be opened again.
            self.line.close()
            self.line = SerialLine(self._port)


def serve(make, wish):
    """A card in a process of its own, as it has its own processor. None ends it; else what it counted."""
    card = make()
    card.start()
    while wish.recv() is not None:
        wish.send(asdict(card.sound.counters))
    card.end()
    wish.send(card.problem)


class OwnCard:
    """The near end of `serve`."""

    def __init__(self, make):
        self._pipe, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("fork").Process(target=serve, args=(make, theirs))
        self._process.start()
        self.counters()

    def counters(self):
        self._pipe.send("counters")
        return self._pipe.recv()

    def end(self):
        self._pipe.send(None)
        self.problem = self._pipe.recv()
        self._process.join()


class CardHere:
    """A card in this process: its insides can be looked at."""

    def __init__(self, make):
        self._card = make()
        self._card.start()
        self.device, self.lock = self._card.device, self._card.lock

    def end(self):
        self._card.end()
        self.problem = self._card.problem


@contextmanager
def a_card(board, number=0, where=CardHere):
    """(our back-end, the card, its cable)"""
    modprobe("snd-aloop", f"enable={','.join('1' * CARDS)}", f"pcm_substreams={','.join('1' * CARDS)}")
    wait_for(Path(f"/dev/snd/pcmC{number}D1c").exists)
    cable = Cable(number)
    with ExitStack() as after:
        after.callback(cable.pull)
        cable.plug()
        subprocess.run(["stty", "-F", cable.card_port, "raw", "-echo"], check=True)
        card = where(lambda: CardSide(number, board, cable))
        after.callback(card.end)
        ours = LinecardBoard(cable.host_port, f"hw:{number},0")
        after.callback(ours.close)
        yield ours, card, cable
    assert card.problem is None, card.problem


def troubles(ours, card):
    """What both ends counted, but requests that were repeated.

    Two cards that report on 32 ports in the same moment share one processor here: their answers
    may be later than the 0.1 s after which the box asks again. An answer that never comes counts.
    """
    health = ours.health()
    del health["repeats"]
    return card.counters(), health


@in_guest(timeout_s=600.0)
def test_sixty_four_ports_for_a_minute_through_the_kernel_lose_nothing_and_keep_their_delay():
    with ExitStack() as after:
        cards = [after.enter_context(a_card(LoopBoard(PORTS), number, OwnCard)) for number in range(CARDS)]
        # As on the box, the ticks go first.
        assert RealTime().begin() == ""
        meters = [DelayMeter(ours) for ours, _, _ in cards]

        def run(blocks):
            for _ in range(blocks):
                for meter in meters:
                    meter.tick()

        run(WARM_UP)
        before = [troubles(*one[:2]) for one in cards]
        for meter in meters:
            meter.delays.clear()
            meter.torn.clear()
        begun = time.monotonic()
        run(BLOCKS)
        took_s = time.monotonic() - begun
        counted = [troubles(*one[:2]) for one in cards]
        assert counted == before, f"before {before}, after {counted}"
    for meter in meters:
        assert not meter.torn
        assert len(meter.delays) == BLOCKS
        assert len(set(meter.delays)) == 1, f"the delay moved: {Counter(meter.delays)} samples"
    assert abs(took_s - BLOCKS * 0.02) < 0.1
    return {
        "ports": sum(meter.ports for meter in meters),
        "there and back, ms": [meter.delays[0] / 8 for meter in meters],
        f"{BLOCKS} blocks, s": round(took_s, 2),
    }


@in_guest(timeout_s=600.0)
def test_the_control_port_pulled_and_plugged_in_again():
    with a_card(open_board("sim:lines=1,phones=1")) as (ours, card, cable):
        silence = np.zeros((2, api.BLOCK_SAMPLES), np.int16)
        seen = []

        def until(kind, within_s=8.0):
            for _ in range(round(within_s * 50)):
                seen.extend(ours.read().events)
                ours.write(silence)
                for event in seen:
                    if isinstance(event, kind):
                        seen.remove(event)
                        return event
            raise AssertionError(f"no {kind.__name__}: {seen}, {ours.health()}")

        phone = card.device.board.office.phone(1)
        with card.lock:
            phone.lift()
        assert until(api.OffHook).port == 1
        cable.pull()
        assert "control port /dev/ttyACM0 was lost" in until(api.PortGone).reason
        until(api.PortGone)
        cable.plug()
        until(api.PortBack)
        assert until(api.OffHook).port == 1
        asked = ours.command(0, api.SetHook(True))
        assert until(api.CommandDone).command_id == asked
        assert card.device.board.office.fxo[0].off_hook
