"""The reference card on a pty and on a sound device made of a socket."""

from __future__ import annotations

import select
import subprocess
import threading
import time
from pathlib import Path

import pytest

from board import api
from board.linecard import LinecardBoard
from board.linecard.reference.device import Device
from board.linecard.reference.plug import PluggedCard
from board.registry import open_board

SOURCE = Path(__file__).parent / "ioplug" / "pcm_zongji.c"


@pytest.fixture(scope="session")
def sound_plugin(tmp_path_factory) -> Path:
    """The user-space sound device, compiled."""
    made = tmp_path_factory.mktemp("ioplug") / "libasound_module_pcm_zongji.so"
    command = ["gcc", "-shared", "-fPIC", "-DPIC", "-O2", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([*command, "-o", made, SOURCE, "-lasound"], check=True)
    return made


class LockedCard(PluggedCard):
    """A card whose people (the test) act between its blocks."""

    def __init__(self, *args):
        self.lock = threading.RLock()
        self.stepped = threading.Condition(self.lock)
        super().__init__(*args)

    def step(self):
        with self.lock:
            super().step()
            self.stepped.notify_all()

    def serve(self):
        with self.lock:
            super().serve()

    def run_hasty(self, stop):
        """A block as soon as the host has written one: the host's pace, for whole stories."""
        waited = 0
        while not stop():
            self.serve()
            if self._host_is_ready() or waited > (ASTRAY if self._host_moves_time() else UNHEARD):
                self.step()
                waited = 0
            else:
                waited += 1
                select.select(self._watched(), [], [], 0.001)

    def _of(self, direction):
        return [stream for stream in self._streams if stream.direction == direction]

    def _host_is_ready(self):
        """It listens, and has written what is to be played next."""
        listens = all(stream.listening for stream in self._of("capture"))
        return listens and any(len(one.queue) >= one.channels * 320 for one in self._of("playback"))

    def _host_moves_time(self):
        """It does so from when it opens the sound until it has nothing more to play, however slowly this
        machine lets it: a card that went on alone while the host starts would run dry."""
        if not self.streaming or not self._streams:
            return False
        starting = not all(stream.listening for stream in self._of("capture"))
        return starting or any(stream.playing or stream.queue for stream in self._of("playback"))


ASTRAY = 20000
"""Turns of the card after which a host that had to go on is stuck: time goes on, and the test fails."""
UNHEARD = 20
"""Turns for a block while there is no host to wait for."""


class Rig:
    """A reference card that runs in a thread of its own, at the pace of real time unless `hasty`."""

    def __init__(self, where: Path, name: str, board: api.Board, pcm: str, hasty: bool) -> None:
        self.control, self.sound = where / f"{name}.tty", where / f"{name}.pcm"
        self.board = board
        self.hasty = hasty
        device = Device(board, name)
        # A hasty card carries the time with it: nothing depends on how busy this machine is.
        self.now_s = (lambda: device.clock / api.SAMPLE_RATE_HZ) if hasty else time.monotonic
        self.card = LockedCard(device, self.control, self.sound, self.now_s)
        self.pcm = f'pcm.{name} {{ type zongji path "{self.sound}" {pcm} }}\n'
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def office(self):
        return self.board.office

    def act(self, what):
        """Do something at the other end of the wires, between two blocks; what it returns."""
        with self.card.lock:
            return what()

    def until(self, what, within_s=5.0):
        """Let the card run by itself until `what()` holds."""
        with self.card.lock:
            assert self.card.stepped.wait_for(what, within_s)

    def start(self) -> None:
        self._stop.clear()
        self._thread = threading.Thread(
            target=self.card.run_hasty if self.hasty else self.card.run, args=(self._stop.is_set,)
        )
        self._thread.start()

    def stop(self) -> None:
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self._thread = None

    def close(self) -> None:
        self.stop()
        self.card.close()


@pytest.fixture
def rigs(tmp_path, sound_plugin, monkeypatch):
    """rigs(name, lines, phones, board=None, pcm="", hasty=False) → Rig, running."""
    made: list[Rig] = []
    config = tmp_path / "asound.conf"
    config.write_text(f'pcm_type.zongji {{ lib "{sound_plugin}" }}\n')
    monkeypatch.setenv("ALSA_CONFIG_PATH", str(config))

    def make(name="REF0001", lines=2, phones=2, board=None, pcm="", hasty=False) -> Rig:
        board = board or open_board(f"sim:lines={lines},phones={phones}")
        rig = Rig(tmp_path, name, board, pcm, hasty)
        made.append(rig)
        with config.open("a") as file:
            file.write(rig.pcm)
        rig.start()
        return rig

    yield make
    for rig in made:
        rig.close()


@pytest.fixture
def open_card():
    """open_card(rig) → LinecardBoard, closed at the end."""
    opened: list[LinecardBoard] = []

    def make(rig: Rig) -> LinecardBoard:
        opened.append(LinecardBoard(str(rig.control), rig.card.device.serial, rig.now_s))
        return opened[-1]

    yield make
    for board in opened:
        board.close()
