"""The `expect:` section, compared with what the box left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from appliance.scenario import sounds
from appliance.scenario.ear import (
    KNOWN_AT,
    VOICE_WINDOW_S,
    LoopListener,
    SoundListener,
    Tape,
    hears_tone,
    keys_heard,
)
from appliance.scenario.matching import Match, mismatches, pair_up, show
from appliance.scenario.model import WantedRecord
from appliance.scenario.sounds import RATE_HZ
from appliance.scenario.stage import Stage

BRIEF = ("direction", "line", "caller_number", "called_number", "agent", "keys", "end_reason", "talk_s")


def check(stage: Stage, records: list[dict[str, Any]], root: Path) -> None:
    """Compare everything; what did not come true is added to the stage's failures."""
    wanted = stage.story.wanted
    if wanted.records is not None:
        _records(stage, wanted.records, records, root)
    if wanted.record_count is not None and not wanted.record_count.fits(len(records)):
        stage.fail(
            f"{wanted.record_count.shown} call records",
            f"there were {len(records)}",
            wanted.record_count.line,
        )
    boxed = [_flat(e) for e in stage.events if e["source"] == "box"]
    for line, fields in wanted.events:
        if not any(not mismatches(fields, event) for event in boxed):
            stage.fail(f"an event {_shown(fields)}", f"there were {_topics(boxed)}", line)
    for line, fields in wanted.no_events:
        for event in boxed:
            if not mismatches(fields, event):
                stage.fail(f"no event {_shown(fields)}", f"at {event['at_s']} s there was one", line)
                break
    _customers(stage)
    _notes(stage, records)
    if wanted.stored and stage.box.control_runs:
        for record in records:
            row = stage.box.store.calls.get(record["id"])
            if row is None or row["end_reason"] != record["end_reason"]:
                stage.fail(
                    f"the record of call {record['id']} in the database",
                    "it was not there" if row is None else f"it says {row['end_reason']}",
                    wanted.line,
                )


def _records(stage: Stage, wanted: list[WantedRecord], records: list[dict[str, Any]], root: Path) -> None:
    pairs, left_over = pair_up([w.fields for w in wanted], records)
    for index, one in enumerate(wanted):
        if index in pairs:
            _details(stage, one, records[pairs[index]], root)
            continue
        nearest = min(
            ((len(mismatches(one.fields, r)), n) for n, r in enumerate(records) if n in left_over),
            default=None,
        )
        if nearest is None:
            stage.fail(f"a call record {_shown(one.fields)}", _brief(records), one.line)
        else:
            left_over.remove(nearest[1])
            for sentence in mismatches(one.fields, records[nearest[1]]):
                stage.fail(f"a call record with {sentence.split(', was ')[0].replace('expected ', '')}",
                           f"was {sentence.split(', was ')[1]}", one.line)  # fmt: skip
    if left_over and not stage.story.wanted.more_records:
        rest = [records[n] for n in left_over]
        stage.fail(
            f"{len(wanted)} call record(s)", f"there were more: {_brief(rest)}", stage.story.wanted.line
        )


def _details(stage: Stage, wanted: WantedRecord, record: dict[str, Any], root: Path) -> None:
    path = root / record["recording"] if record["recording"] else None
    if wanted.recording is not None and wanted.recording != (path is not None and path.is_file()):
        expected = "a recording" if wanted.recording else "no recording"
        why = f" ({record['detail']})" if record["detail"] else ""
        stage.fail(expected, f"the record says `{record['recording'] or 'none'}`{why}", wanted.line)
        return
    if wanted.steps:
        happened = [str(step.get("what")) for step in record["steps"]]
        rest = iter(happened)
        if not all(step in rest for step in wanted.steps):
            stage.fail(
                f"the steps {', '.join(wanted.steps)}", f"they were {', '.join(happened)}", wanted.line
            )
    if not (wanted.hears or wanted.lacks):
        return
    if path is None:
        return
    sound = sounds.load(path)
    for line, kind, value in wanted.hears:
        if not _contains(stage, sound, kind, value):
            stage.fail(f"{_sound_name(kind, value)} in the recording", f"it is not in {path.name}", line)
    for line, kind, value in wanted.lacks:
        if _contains(stage, sound, kind, value):
            stage.fail(f"no {_sound_name(kind, value)} in the recording", f"it is in {path.name}", line)


def _sound_name(kind: str, value: Any) -> str:
    if kind == "person":
        return str(value.title)
    return "music" if kind == "music" else f"{kind} {value[0] if kind == 'prompt' else value}"


def _contains(stage: Stage, sound: sounds.Samples, kind: str, value: Any) -> bool:
    audio = sound.astype(np.float64)
    if kind == "keys":
        return value in keys_heard(audio)
    if kind == "tone":
        return hears_tone(audio, stage.cadence(value), stage.cadences)
    if kind == "person":
        return _voice_in(sound, stage.actor(value).voice)
    if kind == "music":
        music, step = LoopListener(value), RATE_HZ
        windows = (audio[k : k + round(1.2 * RATE_HZ)] for k in range(0, len(audio) - step, step))
        return any(music.likeness_of(window) >= KNOWN_AT for window in windows)
    listener = SoundListener(value[1], 0)
    tape = Tape(len(sound) / RATE_HZ + 4.0)
    tape.append(sound)
    tape.append(np.zeros(2 * RATE_HZ, dtype=np.int16))
    return listener.listen(tape) is not None


def _voice_in(sound: sounds.Samples, voice: Tape) -> bool:
    """Is any loud piece of what somebody said to be found in the recording?"""
    if not len(sound):
        return False
    recording = LoopListener(sound, VOICE_WINDOW_S)
    window = round(VOICE_WINDOW_S * RATE_HZ)
    for begin in range(voice.start, voice.end - window, window):
        said = voice.cut(begin, begin + window)
        if sounds.level_dbm0(said) > -32.0 and recording.likeness_of(said) >= KNOWN_AT:
            return True
    return False


def _customers(stage: Stage) -> None:
    for line, fields in stage.story.wanted.customers:
        rows, _ = stage.box.store.customers.search("", limit=1000)
        plain = [row | {"phones": [p["number"] for p in row["phones"]]} for row in rows]
        if not any(not mismatches(fields, row) for row in plain):
            names = ", ".join(row["name"] for row in plain) or "none"
            stage.fail(f"a customer {_shown(fields)}", f"customers: {names}", line)


def _notes(stage: Stage, records: list[dict[str, Any]]) -> None:
    if not stage.story.wanted.notes:
        return
    numbers = {row.values["number"]: name for name, row in stage.story.box.agents.items()}
    found = []
    for record in records:
        for note in stage.box.store.calls.notes(record["id"]):
            name = numbers.get(note["agent"], "")
            found.append(record | {"agent": note["agent"], "name": name, "text": note["text"]})
    for line, fields in stage.story.wanted.notes:
        if not any(not mismatches(fields, note) for note in found):
            texts = "; ".join(note["text"] for note in found) or "none"
            stage.fail(f"a note {_shown(fields)}", f"notes: {texts}", line)


def _flat(event: dict[str, Any]) -> dict[str, Any]:
    inner = event["data"].get("data")
    extra = inner if isinstance(inner, dict) else {}
    return {**extra, **event["data"], "topic": event["topic"], "at_s": event["at_s"]}


def _shown(fields: dict[str, Match]) -> str:
    return "{" + ", ".join(f"{key}: {match.shown}" for key, match in fields.items()) + "}"


def _topics(events: list[dict[str, Any]]) -> str:
    names = [f"{e['topic']} {e.get('code') or e.get('agent') or ''}".strip() for e in events]
    return ", ".join(dict.fromkeys(names)) or "none"


def _brief(records: list[dict[str, Any]]) -> str:
    if not records:
        return "there was none"
    parts = []
    for record in records:
        parts.append(
            "{" + ", ".join(f"{k}: {show(record[k])}" for k in BRIEF if record[k] not in ("", None)) + "}"
        )
    return "; ".join(parts)
