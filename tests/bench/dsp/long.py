"""False events over hours of speech and music: `python -m tests.bench.dsp --long [judging] [heard] [fresh]`.

Three sets. "judging": the judging half of Debian's prompts in every installed language and of its music on
hold; "heard": recordings of other packages (`corpora.HEARD`). Both were heard before thresholds were changed
because of them. "fresh": recordings of yet other packages (`corpora.FRESH`), heard once all thresholds were
set. Each at many speeds, so at many pitches; 64 ports at once. What was heard before is played at all the
speeds at which it was fresh, however many hours that are. Hang-ups, which are to be rarer, are listened
for longer (`--hang-up-hours 100`), on the networks of twenty countries in turn. Hours are of the recordings
alone, without the pauses between them.
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
STEP_OF_SPEED = 0.0075
SHORT_PAUSE_SAMPLES = 800
MUSIC = "music on hold"
MOST_NAMED = 50
"""So many false events are named one by one, with their file."""


def both_ways(steps):
    """Speeds so many steps up and down, in turn."""
    return np.stack([1 + STEP_OF_SPEED * steps, 1 - STEP_OF_SPEED * steps], 1).ravel()


BETWEEN = both_ways(np.arange(48).reshape(6, 8).T.ravel() + 0.5)
"""Half a step beside all of the judging half's, and wide at once: 0.4, 6, 12, 18 … % off, then between."""
SPEEDS = {
    "judging": np.concatenate([[1.0], both_ways(np.arange(1, 46))]),
    "heard": BETWEEN,
    "fresh": BETWEEN,
}

LEAST_SPEEDS = {"heard": 8}


def voices():
    """What is installed for judging: name of the recordings -> folder."""
    found = {folder.name: folder for folder in sorted(SOUNDS.iterdir()) if any(folder.rglob("*.wav"))}
    return found | {MUSIC: corpora.MUSIC}


class Tape:
    """Recordings one after the other on 64 ports; knows what is heard where."""

    def __init__(self, named, pause_samples):
        self.names = list(named)
        lengths = np.array([len(x) for x in named.values()])
        self.starts = np.concatenate([[0], np.cumsum(lengths + pause_samples)[:-1]])
        self.hours = float(lengths.sum()) / corpora.RATE / 3600
        self.rows = corpora.in_rows(list(named.values()), PORTS, pause_samples)

    def place(self, port, at_samples, speed):
        """File and second in it that are heard on a port at this sample of the tape played at a speed."""
        at = port * self.rows.shape[1] + at_samples * speed
        index = int(np.searchsorted(self.starts, at, "right")) - 1
        return self.names[index], round(float(at - self.starts[index]) / corpora.RATE, 2)


def judging():
    """Name of the recordings -> tape, of the half for judging."""
    return {
        name: Tape(corpora.named_recordings(folder, tuning=False), corpora.PAUSE_SAMPLES)
        for name, folder in voices().items()
    }


def whole(folders):
    """The same of all that is in some folders: recordings that are heard here alone."""
    return {
        name: Tape(corpora.all_recordings(folder), SHORT_PAUSE_SAMPLES) for name, folder in folders.items()
    }


SETS = {
    "judging": judging,
    "heard": lambda: whole(corpora.HEARD),
    "fresh": lambda: whole(corpora.FRESH),
}


class Count:
    """Hours heard, by recordings, and what was imagined in them."""

    def __init__(self):
        self.hours = {}
        self.hang_up_hours = 0.0
        self.false = {"digits": 0, "caller IDs": 0, "hang-ups": 0}
        self.named = []
        self.spandsp = None
        self.multimon = None
        self.multimon_hours = 0.0

    @property
    def all_hours(self):
        return sum(self.hours.values())

    def add(self, what, said, name, tape, port, at_samples, speed):
        """One false event: what it was and what it said."""
        self.false[what] += 1
        file, second = tape.place(port, at_samples, speed)
        event = {"what": what, "said": said, "of": name, "file": file, "second": second}
        event["speed"] = round(float(speed), 5)
        print(f"  false: {event}", flush=True)
        if len(self.named) < MOST_NAMED:
            self.named.append(event)


def pieces(x):
    for at in range(0, x.shape[1], CHUNK_SAMPLES):
        yield np.ascontiguousarray(x[:, at : at + CHUNK_SAMPLES])


def listen_for_keys(count, name, tape, x, speed):
    """Keys and caller ID in one tape at one speed, float32 [64, n]; and what the peers hear."""
    keys, callers = DtmfReceiver(PORTS), CallerIdReceiver(PORTS)
    for part in pieces(x):
        for event in keys.process(part):
            if event.phase == "down":
                count.add("digits", event.digit, name, tape, event.port, event.start_samples, speed)
        for message in callers.process(part):
            if message.valid:
                said = f"{message.standard} {message.number}"
                count.add("caller IDs", said, name, tape, message.port, message.end_samples, speed)
    hours = tape.hours / float(speed)
    try:
        count.spandsp = (count.spandsp or 0) + sum(len(peers.spandsp_dtmf(row)) for row in x)
        if count.multimon_hours < MULTIMON_HOURS:
            # A few ports at a time: it is given another rate, which takes forty times the memory.
            heard = sum(len(peers.multimon_dtmf(part.ravel())) for part in np.array_split(x, 16))
            count.multimon = (count.multimon or 0) + heard
            count.multimon_hours += hours
    except peers.Missing as error:
        print(f"  not installed: {error}")
    count.hours[name] = count.hours.get(name, 0.0) + hours


def listen_for_hang_ups(count, name, tape, x, speed, country):
    """Disconnect tones in the same; calls are up, so dial tone would end them too."""
    ends = DisconnectDetector(PORTS, country)
    ends.connected(range(PORTS))
    for part in pieces(x):
        over = ends.process(part)
        for hangup in over:
            said = f"{hangup.reason}, {country}"
            count.add("hang-ups", said, name, tape, hangup.port, hangup.tone_began_samples, speed)
        if over:
            ports = [hangup.port for hangup in over]
            ends.reset(ports)
            ends.connected(ports)
    count.hang_up_hours += tape.hours / float(speed)


def run(name_of_set, hours, hang_up_hours):
    """Listen to at least so many hours of a set; answers the count as a dictionary, for the report."""
    count, begin_s = Count(), time.monotonic()
    tapes = SETS[name_of_set]()
    turn = 0
    for speeds, speed in enumerate(SPEEDS[name_of_set]):
        with_keys = count.all_hours < hours or speeds < LEAST_SPEEDS.get(name_of_set, 0)
        if not with_keys and count.hang_up_hours >= hang_up_hours:
            break
        for name, tape in tapes.items():
            x = tape.rows if speed == 1 else corpora.faster(tape.rows, speed)
            if with_keys:
                listen_for_keys(count, name, tape, x, speed)
            listen_for_hang_ups(count, name, tape, x, speed, COUNTRIES[turn % len(COUNTRIES)])
            turn += 1
        print(
            f"  {name_of_set}: {count.all_hours:6.1f} h, for hang-ups {count.hang_up_hours:6.1f} h; "
            f"speed {speed:.5g}: {count.false}",
            flush=True,
        )
    return {
        "hours": round(count.all_hours, 1),
        "hang_up_hours": round(count.hang_up_hours, 1),
        "recordings": {name: (len(tape.names), round(60 * tape.hours, 1)) for name, tape in tapes.items()},
        "hours_by_recording": {name: round(h, 1) for name, h in count.hours.items()},
        "false_digits": count.false["digits"],
        "false_caller_ids": count.false["caller IDs"],
        "false_hang_ups": count.false["hang-ups"],
        "false_events": count.named,
        "spandsp_false_digits": count.spandsp,
        "multimon_false_digits": count.multimon,
        "multimon_hours": round(count.multimon_hours, 2),
        "took_s": round(time.monotonic() - begin_s),
    }
