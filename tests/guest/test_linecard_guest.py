"""A line card made of the real kernel: control port a USB gadget (dummy_hcd, CDC-ACM), sound snd-aloop.

our back-end                 kernel                      reference card
/dev/ttyACM0   ── cdc_acm ── dummy_hcd ── usb_f_acm ──   /dev/ttyGS0
hw:Loopback,0  ──────────── snd-aloop ──────────────     hw:Loopback,1
"""

import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np

from board import api
from board.linecard.board import LinecardBoard
from board.linecard.reference.device import Device
from board.linecard.serialline import SerialLine
from board.linecard.sound import Sound
from board.registry import open_board
from tests.guest.guest import in_guest, modprobe
from tests.guest.kernel_tree import REPOSITORY

sys.path.append(str(REPOSITORY / "tests" / "board" / "linecard"))
from loopboard import DelayMeter, LoopBoard

GADGET = Path("/sys/kernel/config/usb_gadget/card")
PORTS = 16
SERIAL = "FXO16-0001"
WARM_UP = 100
"""Blocks until both ends have started and measured their fill."""


class Cable:
    """The USB cable of the gadget."""

    def __init__(self):
        modprobe("configfs")
        if not GADGET.parent.is_dir():
            subprocess.run(["mount", "-t", "configfs", "configfs", "/sys/kernel/config"], check=False)
        for module in ("dummy_hcd", "libcomposite", "usb_f_acm", "cdc_acm"):
            modprobe(module)
        if not GADGET.is_dir():
            self._describe()
        (self._controller,) = [path.name for path in Path("/sys/class/udc").iterdir()]

    def _describe(self):
        GADGET.mkdir()
        english, config = GADGET / "strings" / "0x409", GADGET / "configs" / "c.1"
        for folder in (english, config, GADGET / "functions" / "acm.0"):
            folder.mkdir(parents=True)
        for path, text in (
            (GADGET / "idVendor", "0x1d6b"),
            (GADGET / "idProduct", "0x0104"),
            (english / "serialnumber", SERIAL),
            (english / "manufacturer", "Zongji"),
            (english / "product", "Reference line card"),
        ):
            path.write_text(text)
        (config / "acm.0").symlink_to(GADGET / "functions" / "acm.0")

    def plug(self):
        (GADGET / "UDC").write_text(self._controller)
        wait_for(Path("/dev/ttyACM0").exists)

    def pull(self):
        (GADGET / "UDC").write_text("\n")
        wait_for(lambda: not Path("/dev/ttyACM0").exists())


def wait_for(what, within_s=10.0):
    end_s = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < end_s, "did not happen"
        time.sleep(0.02)


class CardSide(threading.Thread):
    """The reference card behind the kernel's devices."""

    def __init__(self, board):
        super().__init__()
        self.device = Device(board, SERIAL)
        # In this slow machine the card thinks in Python too: it gets more room than a real one needs.
        self.sound = Sound("hw:Loopback,1,0", len(board.ports), prime=5)
        self.line = SerialLine("/dev/ttyGS0")
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
            self.line = SerialLine("/dev/ttyGS0")


@contextmanager
def a_card(board):
    """(our back-end, the card, its cable)"""
    modprobe("snd-aloop", "pcm_substreams=1")
    wait_for(Path("/dev/snd/pcmC0D1c").exists)
    cable = Cable()
    cable.plug()
    subprocess.run(["stty", "-F", "/dev/ttyGS0", "raw", "-echo"], check=True)
    card = CardSide(board)
    card.start()
    ours = None
    try:
        ours = LinecardBoard("/dev/ttyACM0", "hw:Loopback,0,0")
        yield ours, card, cable
    finally:
        if ours is not None:
            ours.close()
        card.over.set()
        card.join()
        card.sound.close()
        card.line.close()
        if Path("/dev/ttyACM0").exists():
            cable.pull()
        assert card.problem is None


def troubles(ours, card):
    """Everything that was counted at both ends of the sound, and what came damaged."""
    return asdict(card.sound.counters), ours.health()


@in_guest(timeout_s=600.0)
def test_sixteen_ports_through_the_kernel_lose_nothing_and_keep_their_delay():
    with a_card(LoopBoard(PORTS)) as (ours, card, _):
        meter = DelayMeter(ours)
        for _ in range(WARM_UP):
            meter.tick()
        before = troubles(ours, card)
        meter.delays.clear()
        meter.torn.clear()
        begun = time.monotonic()
        for _ in range(500):
            meter.tick()
        took_s = time.monotonic() - begun
        after = troubles(ours, card)
    print(before, after, meter.torn, sorted(set(meter.delays)))
    if after == before:
        assert not meter.torn
        assert len(set(meter.delays)) == 1, f"the delay moved: {sorted(set(meter.delays))} samples"
    # A host too busy to run the guest makes late ticks in there: then it is counted, and bounded.
    usual = Counter(meter.delays).most_common(1)[0][0]
    assert abs(meter.delays[-1] - usual) <= 2 * api.BLOCK_SAMPLES
    assert 9.8 < took_s < 10.4
    return {
        "there and back, ms": usual / 8,
        "nothing lost": after == before,
        "500 blocks, s": round(took_s, 2),
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
