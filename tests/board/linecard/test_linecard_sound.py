"""The sound device sample by sample: a made-up one whose time moves when the program waits or is late."""

import numpy as np
import pytest

from board.linecard import sound
from board.linecard.sound import PRIME, Sound

BLOCK = 160
CHANNELS = 2
FRAME_BYTES = 2 * CHANNELS


class Device:
    """Capture and playback run on one clock, in samples; capture holds the number of each frame."""

    def __init__(self):
        self.clock = self.taken = self.written = 0

    def pcm(self, direction, *mode, **wishes):
        return (Capture if direction == sound.alsaaudio.PCM_CAPTURE else Playback)(self, wishes)

    def now_s(self):
        return self.clock / 8000


class Waiter:
    """`select.poll()`: time passes until a whole block is there, as ALSA wakes its readers."""

    def __init__(self, device):
        self._device = device

    def register(self, descriptor, events):
        pass

    def poll(self, timeout_ms):
        device = self._device
        device.clock = max(device.clock, device.taken + BLOCK)
        return [(0, 1)]


class Stream:
    def __init__(self, device, wishes):
        self.device = device
        names = {"rate": "rate", "channels": "channels", "periodsize": "period_size"}
        self._granted = {names[key]: wishes[key] for key in names}
        self._granted |= {"format_name": "S16_LE", "buffer_size": wishes["periods"] * wishes["periodsize"]}

    def info(self):
        return self._granted

    def close(self):
        pass


class Capture(Stream):
    def avail(self):
        return self.device.clock - self.device.taken

    def polldescriptors(self):
        return [(0, 1)]

    def read(self):
        """What is there, but a block at most: less than a block when the program asks early."""
        count = min(BLOCK, self.avail())
        numbers = np.arange(self.device.taken, self.device.taken + count, dtype=np.int16)
        self.device.taken += count
        return count, np.repeat(numbers, CHANNELS).tobytes()


class Playback(Stream):
    def avail(self):
        assert self.device.written >= self.device.clock, "the card has nothing to play"
        return self._granted["buffer_size"] - (self.device.written - self.device.clock)

    def write(self, data):
        self.device.written += len(data) // FRAME_BYTES
        return len(data) // FRAME_BYTES


@pytest.fixture
def device(monkeypatch):
    device = Device()
    monkeypatch.setattr(sound.alsaaudio, "PCM", device.pcm)
    monkeypatch.setattr(sound.select, "poll", lambda: Waiter(device))
    return device


def test_who_is_held_up_after_looking_looks_again_before_the_device_is_lost(device, monkeypatch):
    ours = Sound("hw:9,9", CHANNELS, device.now_s)
    look, held_up = ours._read_one, []

    def then_stand_still():
        found = look()
        if not found and not held_up:
            held_up.append(True)
            device.clock += 12000
        return found

    monkeypatch.setattr(ours, "_read_one", then_stand_still)
    assert ours.wait(5.0) and held_up


@pytest.mark.parametrize("late_samples", [30, 100, 150])
def test_what_is_read_of_the_next_block_still_counts_as_waiting(device, late_samples):
    """Who is late once reads a part of the next block early, and from then on always."""
    ours = Sound("hw:9,9", CHANNELS, device.now_s)
    heard = []

    def tick():
        assert ours.wait(0.1)
        block, lost = ours.read()
        assert lost == 0
        heard.append(block[0])
        ours.write(np.zeros((CHANNELS, BLOCK), np.int16))

    for _ in range(40):
        tick()
    device.clock += late_samples
    for _ in range(60):
        tick()
    assert ours.counters == sound.SoundCounters()
    assert device.written == (100 + PRIME) * BLOCK
    assert (np.concatenate(heard) == np.arange(100 * BLOCK)).all()
