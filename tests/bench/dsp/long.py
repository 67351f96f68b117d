"""False events over many hours of speech and music: `python -m tests.bench.dsp --long [--hours 20]`.

The judging half of Debian's prompts in every installed language and of its music on hold, each at
many speeds, so at many pitches; 64 ports at once.
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
MULTIMON_HOURS = 1.0
STEPS_OF_SPEED = np.arange(1, 46) * 0.0075
SPEEDS = np.concatenate([[1.0], np.stack([1 + STEPS_OF_SPEED, 1 - STEPS_OF_SPEED], 1).ravel()])


def voices():
    """What is installed: name of the recordings -> folder."""
    found = {folder.name: folder for folder in sorted(SOUNDS.iterdir()) if any(folder.rglob("*.wav"))}
    return found | {"music on hold": corpora.MUSIC}


class Count:
    """Hours heard and what was imagined in them."""

    def __init__(self):
        self.hours = {}
        self.false = {"digits": 0, "caller IDs": 0, "hang-ups": 0}
        self.spandsp = None
        self.multimon = None
        self.multimon_hours = 0.0

    @property
    def all_hours(self):
        return sum(self.hours.values())


def listen(count, name, x, country):
    """All detectors on one corpus at one speed, float32 [64, n]."""
    keys, callers, ends = DtmfReceiver(PORTS), CallerIdReceiver(PORTS), DisconnectDetector(PORTS, country)
    ends.connected(range(PORTS))
    for at in range(0, x.shape[1], CHUNK_SAMPLES):
        part = np.ascontiguousarray(x[:, at : at + CHUNK_SAMPLES])
        count.false["digits"] += sum(event.phase == "down" for event in keys.process(part))
        count.false["caller IDs"] += sum(message.valid for message in callers.process(part))
        over = ends.process(part)
        count.false["hang-ups"] += len(over)
        if over:
            ends.reset([hangup.port for hangup in over])
            ends.connected([hangup.port for hangup in over])
    try:
        count.spandsp = (count.spandsp or 0) + sum(len(peers.spandsp_dtmf(row)) for row in x)
        if count.multimon_hours < MULTIMON_HOURS:
            count.multimon = (count.multimon or 0) + len(peers.multimon_dtmf(x.ravel()))
            count.multimon_hours += x.size / 8000 / 3600
    except peers.Missing as error:
        print(f"  not installed: {error}")
    count.hours[name] = count.hours.get(name, 0.0) + x.size / 8000 / 3600


def run(hours):
    """Listen to at least so many hours; answers the count as a dictionary, for the report."""
    count, begin_s = Count(), time.monotonic()
    corpora_rows = {
        name: corpora.in_rows(corpora.recordings(folder, tuning=False), PORTS)
        for name, folder in voices().items()
    }
    turn = 0
    for speed in SPEEDS:
        for name, rows in corpora_rows.items():
            x = rows if speed == 1 else corpora.faster(rows, speed)
            listen(count, name, x, COUNTRIES[turn % len(COUNTRIES)])
            turn += 1
            print(f"  {count.all_hours:6.1f} h  {name} at {speed:.4g}: {count.false}", flush=True)
        if count.all_hours >= hours:
            break
    result = {
        "hours": round(count.all_hours, 1),
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
