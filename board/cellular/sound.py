"""Sound of a module that shows itself as a USB sound card: 8 kHz mono, 16 bit, through ALSA."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from board.api import BLOCK_SAMPLES, SAMPLE_RATE_HZ
from board.atport import WireLost

PERIODS = 8
MOST_XRUNS = 50
"""In a row, without a sample between them: the device has gone and says so in its own way."""
MOST_READS = 16


class AlsaWire:
    """Both directions of one ALSA device, as bytes."""

    def __init__(self, device: str) -> None:
        """Raises WireLost saying what to do."""
        import alsaaudio

        self._alsa: Any = alsaaudio
        self._device = device
        self._pcms: list[Any] = []
        self._xruns = 0
        self.xruns = 0
        """Overruns and underruns since it was opened."""
        try:
            self._capture = self._open(alsaaudio.PCM_CAPTURE)
            self._playback = self._open(alsaaudio.PCM_PLAYBACK)
        except alsaaudio.ALSAAudioError as error:
            self.close()
            raise WireLost(f"{device}: {error}: is the module's USB sound switched on?") from error
        except WireLost:
            self.close()
            raise

    def _open(self, direction: int) -> Any:
        pcm = self._alsa.PCM(
            direction,
            self._alsa.PCM_NONBLOCK,
            rate=SAMPLE_RATE_HZ,
            channels=1,
            format=self._alsa.PCM_FORMAT_S16_LE,
            periodsize=BLOCK_SAMPLES,
            periods=PERIODS,
            device=self._device,
        )
        self._pcms.append(pcm)
        info = pcm.info()
        # What was asked for is a wish; only what was granted counts.
        if (info["rate"], info["channels"]) != (SAMPLE_RATE_HZ, 1):
            raise WireLost(
                f"{self._device} gives {info['rate']} Hz and {info['channels']} channels, not 8000 Hz mono: "
                f"use its plughw: name"
            )
        return pcm

    def read(self) -> bytes:
        """All samples that are there."""
        out = bytearray()
        for _ in range(MOST_READS):
            count, data = self._call(self._capture.read)
            if count <= 0:
                self._note(count)
                break
            self._xruns = 0
            out += data
        return bytes(out)

    def write(self, data: bytes) -> int:
        """Hand over whole samples; returns octets taken."""
        count = int(self._call(self._playback.write, data[: len(data) & ~1]))
        self._note(count)
        return 2 * max(0, count)

    def _call(self, what: Any, *args: Any) -> Any:
        try:
            return what(*args)
        except self._alsa.ALSAAudioError as error:
            raise WireLost(f"{self._device} has gone: {error}") from error

    def _note(self, count: int) -> None:
        if count >= 0:
            return
        self.xruns += 1
        self._xruns += 1
        if self._xruns > MOST_XRUNS:
            raise WireLost(f"{self._device} gives no sound any more")

    def fds(self) -> Sequence[int]:
        """Descriptors of the capture side."""
        return [fd for fd, _ in self._capture.polldescriptors()]

    def close(self) -> None:
        """Release the device. Idempotent."""
        pcms, self._pcms = self._pcms, []
        for pcm in pcms:
            pcm.close()
