"""A cellular module as a card: AT commands on one port, sound on another."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from board.api import BoardError
from board.atcard import AtCard, Wires
from board.atport import SerialWire, Time, Wire
from board.cellular.machine import CellularMachine
from board.cellular.profiles import PROFILES
from board.cellular.sound import AlsaWire
from board.door import Door
from board.modem.card import default_id, read_address

ALSA = "alsa:"
MOST_UNSENT_BYTES = 1920
"""120 ms: a module that does not take its sound hears it late; older sound is dropped."""


class CellularBoard(AtCard):
    """One module: one line."""

    scheme = "cellular"

    def __init__(
        self,
        path: str,
        audio: str,
        profile: str = "",
        pin: str = "",
        card_id: str = "",
        time: Time | None = None,
        door: Door[Wires] | None = None,
    ) -> None:
        """audio: the serial port of the sound, or alsa:DEVICE. Raises BoardError."""
        if profile and profile not in PROFILES:
            raise BoardError(f"cellular: unknown profile {profile!r}; choose one of {', '.join(PROFILES)}")
        if not audio:
            raise BoardError(
                f"cellular:{path}: where does the sound go? "
                "Add audio=/dev/ttyUSB1 or audio=alsa:plughw:Android"
            )
        if pin and not (pin.isdecimal() and 4 <= len(pin) <= 8):
            raise BoardError(f"cellular:{path}: the PIN has 4 to 8 digits")
        usb = audio.startswith(ALSA)
        self.module = CellularMachine(profile, "usb" if usb else "serial", pin)
        open_sound: Callable[[], Wire] = (
            (lambda: AlsaWire(audio.removeprefix(ALSA))) if usb else (lambda: SerialWire(audio))
        )
        self._audio_unsent = bytearray()
        self._odd = b""
        self._was_streaming = False
        self.unsent_samples = 0
        """Samples dropped because the module did not take them."""
        name = card_id or default_id("cellular", path)
        super().__init__(name, self.module, lambda: SerialWire(path), time, open_sound, door)

    def _install(self, wires: Wires, now_s: float) -> None:
        self._odd = b""
        self._audio_unsent.clear()
        super()._install(wires, now_s)

    def _wires(self) -> list[Wire]:
        # The sound wakes us only when it is wanted; it is drained in every tick.
        return super()._wires() + ([self._sound] if self._sound and self.module.streaming else [])

    def _pump_more(self, now_s: float) -> None:
        if self._sound is None:
            return
        data = self._odd + self._sound.read()
        self._odd = data[len(data) & ~1 :]
        if self.module.streaming and self._was_streaming and len(data) > 1:
            self.module.heard(np.frombuffer(data[: len(data) & ~1], "<i2").astype(np.int16), now_s)
        if self.module.streaming != self._was_streaming:
            # What had piled up before the call was read just now, and forgotten.
            self._was_streaming = self.module.streaming
            self._audio_unsent.clear()
        while self.module.said:
            self._audio_unsent += self.module.said.popleft()
        if self._audio_unsent:
            del self._audio_unsent[: self._sound.write(bytes(self._audio_unsent))]
        excess = (len(self._audio_unsent) - MOST_UNSENT_BYTES) & ~1
        if excess > 0:
            # An odd number taken leaves half a sample in front: it must stay.
            keep = len(self._audio_unsent) & 1
            del self._audio_unsent[keep : keep + excess]
            self.unsent_samples += excess // 2


def open_cellular(rest: str, profile: str = "", card_id: str = "", time: Time | None = None) -> CellularBoard:
    """`/dev/ttyUSB2,audio=/dev/ttyUSB1`, with profile=, pin=, id= where needed. Raises BoardError."""
    path, settings = read_address("cellular", rest, {"audio", "profile", "pin", "id"})
    return CellularBoard(
        path,
        settings.get("audio", ""),
        settings.get("profile", profile),
        settings.get("pin", ""),
        settings.get("id", card_id),
        time,
    )
