"""False events over many hours of speech and music: `python -m tests.bench.dsp --long [--hours 20]`.

The judging half of Debian's prompts in every installed language and of its music on hold, each at
many speeds, so at many pitches; 64 ports at once. Hang-ups, which are to be rarer, are listened for longer
(`--hang-up-hours 100`), on the networks of twenty countries in turn.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from dsp.callerid import CallerIdReceiver
from dsp.disconnect import DisconnectDetector
from dsp.dtmf import DtmfReceiver
from tests.bench.dsp import peers
from tests.dsp import corpora

PORTS = 64
CHUNK_SAMPLES = 16000
SOUNDS = Path("/usr/share/asterisk/sounds")
COUNTRIES = ("CN", "US", "GB", "DE", "FR", "IT", "RU", "JP", "BR", "IN")
COUNTRIES += ("ES", "AU", "MX", "ZA", "KR", "NL", "SE", "TR", "EG", "HK")
MULTIMON_HOURS = 1.0
STEPS_OF_SPEED = np.arange(1, 46) * 0.0075
SPEEDS = np.concatenate([[1.0], np.stack([1 + STEPS_OF_SPEED, 1 - STEPS_OF_SPEED], 1).ravel()])


def voices():
    """What is installed: name of the recordings -> folder."""
    found = {folder.name: folder for folder in sorted(SOUNDS.iterdir()) if any(folder.rglob("*.wav"))}
    return found | {"music on hold": corpora.MUSIC}


class Count:
    """Hours heard, by recording, and what was imagined in them."""

    def __init__(self):
        self.hours = {}
        self.hang_up_hours = 0.0
        self.false = {"digits": 0, "caller IDs": 0, "hang-ups": 0}
        self.spandsp = None
        self.multimon = None
        self.multimon_hours = 0.0

    @property
    def all_hours(self):
        return sum(self.hours.values())


def hours_of(x):
    return x.size / 8000 / 3600


def pieces(x):
    for at in range(0, x.shape[1], CHUNK_SAMPLES):
        yield np.ascontiguousarray(x[:, at : at + CHUNK_SAMPLES])


def listen_for_keys(count, name, x):
    """Keys and caller ID in one corpus at one speed, float32 [64, n]; and what the peers hear."""
    keys, callers = DtmfReceiver(PORTS), CallerIdReceiver(PORTS)
    for part in pieces(x):
        count.false["digits"] += sum(event.phase == "down" for event in keys.process(part))
        count.false["caller IDs"] += sum(message.valid for message in callers.process(part))
    try:
        count.spandsp = (count.spandsp or 0) + sum(len(peers.spandsp_dtmf(row)) for row in x)
        if count.multimon_hours < MULTIMON_HOURS:
            count.multimon = (count.multimon or 0) + len(peers.multimon_dtmf(x.ravel()))
            count.multimon_hours += hours_of(x)
    except peers.Missing as error:
        print(f"  not installed: {error}")
    count.hours[name] = count.hours.get(name, 0.0) + hours_of(x)


def listen_for_hang_ups(count, x, country):
    """Disconnect tones in the same; calls are up, so dial tone would end them too."""
    ends = DisconnectDetector(PORTS, country)
    ends.connected(range(PORTS))
    for part in pieces(x):
        over = [hangup.port for hangup in ends.process(part)]
        count.false["hang-ups"] += len(over)
        if over:
            ends.reset(over)
            ends.connected(over)
    count.hang_up_hours += hours_of(x)


def run(hours, hang_up_hours):
    """Listen to at least so many hours; answers the count as a dictionary, for the report."""
    count, begin_s = Count(), time.monotonic()
    corpora_rows = {
        name: corpora.in_rows(corpora.recordings(folder, tuning=False), PORTS)
        for name, folder in voices().items()
    }
    turn = 0
    for speed in SPEEDS:
        with_keys = count.all_hours < hours
        if not with_keys and count.hang_up_hours >= hang_up_hours:
            break
        for name, rows in corpora_rows.items():
            x = rows if speed == 1 else corpora.faster(rows, speed)
            if with_keys:
                listen_for_keys(count, name, x)
            listen_for_hang_ups(count, x, COUNTRIES[turn % len(COUNTRIES)])
            turn += 1
        print(
            f"  {count.all_hours:6.1f} h, for hang-ups {count.hang_up_hours:6.1f} h; "
            f"speed {speed:.4g}: {count.false}",
            flush=True,
        )
    result = {
        "hours": round(count.all_hours, 1),
        "hang_up_hours": round(count.hang_up_hours, 1),
        "hours_by_recording": {name: round(h, 1) for name, h in count.hours.items()},
        "false_digits": count.false["digits"],
        "false_caller_ids": count.false["caller IDs"],
        "false_hang_ups": count.false["hang-ups"],
        "spandsp_false_digits": count.spandsp,
        "multimon_false_digits": count.multimon,
        "multimon_hours": round(count.multimon_hours, 2),
        "took_s": round(time.monotonic() - begin_s),
    }
    print(f"  {result}")
    return result
