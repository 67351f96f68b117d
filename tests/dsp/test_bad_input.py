"""Recordings that are no calls, through every `zongji dsp` subcommand: an answer or one line."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from appliance.cli.dsp import SUBCOMMANDS
from appliance.cli.main import main

RATE = 8000
N = 5 * RATE
T = np.arange(N) / RATE

SOUNDS = {
    "silent": np.zeros(N),
    "offset": np.full(N, 9000.0),
    "all ones": np.full(N, -1.0),
    "full scale": np.full(N, 32767.0),
    "square": 32767 * np.sign(np.sin(2 * np.pi * 1000 * T + 0.1)),
    "slow square": 32767 * np.sign(np.sin(2 * np.pi * 3 * T + 0.1)),
    "clipped": np.clip(90000 * np.sin(2 * np.pi * 313 * T), -32768, 32767),
    "impulses": np.where(np.arange(N) % 3000 == 0, 32767.0, 0.0),
    "alternating": np.where(np.arange(N) % 2 == 0, 32767.0, -32768.0),
    "noise": np.random.default_rng(1).uniform(-32768, 32767, N),
    "random impulses": np.zeros(N),
    "20 Hz square": 32767 * np.sign(np.sin(2 * np.pi * 20 * T + 0.1)),
    "hum and offset": 3000 + 8000 * np.sin(2 * np.pi * 50 * T),
}
for _hz in (333, 697, 1200):
    SOUNDS[f"square of {_hz} Hz"] = 32767 * np.sign(np.sin(2 * np.pi * _hz * T + 0.1))
_rng = np.random.default_rng(3)
SOUNDS["random impulses"][_rng.integers(0, N, 50)] = _rng.choice([-32768.0, 32767.0], 50)
ANSWERS = {
    "dtmf": {"digits", "events"},
    "callerid": {"messages"},
    "progress": {"segments"},
    "disconnect": {"hangup_s", "reason"},
    "learn": {"frequencies_hz", "on_ms", "off_ms", "confidence"},
    "echo": {"erle_db_by_second"},
    "amd": {"result", "at_s"},
    "answer": {"answered_s", "how"},
}


def arguments(name, file, folder):
    """What to write on the command line to have `file` looked at by a subcommand."""
    more = {"progress": ["--country", "CN"], "disconnect": ["--country", "US"], "answer": ["--country", "DE"]}
    if name == "echo":
        return ["dsp", name, str(file), str(file), str(folder / "out.wav")]
    return ["dsp", name, str(file), *more.get(name, [])]


def run(capsys, name, file, folder):
    """Exit status, answer (or None) and what was said to the user."""
    status = main(arguments(name, file, folder))
    said = capsys.readouterr()
    return status, json.loads(said.out) if said.out else None, said.err


def written(path, x, rate=RATE, **how):
    soundfile.write(path, np.clip(np.rint(x), -32768, 32767).astype(np.int16), rate, **how)
    return path


def check_nothing_was_heard(name, found):
    """No event that is not there."""
    expected = {
        "dtmf": found.get("digits") == "",
        "callerid": not [m for m in found.get("messages", []) if m["valid"]],
        "progress": {s["tone"] for s in found.get("segments", [])} <= {"silence"},
        "disconnect": found.get("hangup_s") is None,
        # A tone without end in a single recording may be the exchange's: half a proof, which nobody uses.
        "learn": found.get("confidence", 1) <= 0.5,
        "echo": min(found.get("erle_db_by_second", [0]), default=0) > -1,
        "amd": found.get("result") == "unknown",
        "answer": found.get("answered_s") is None and found.get("how") == "none",
    }
    assert expected[name], found


def test_the_table_covers_every_subcommand():
    assert set(ANSWERS) == set(SUBCOMMANDS)


@pytest.mark.parametrize("name", sorted(ANSWERS))
@pytest.mark.parametrize("sound", sorted(SOUNDS))
def test_1_sounds_of_broken_hardware(capsys, tmp_path, sound, name):
    status, found, said = run(capsys, name, written(tmp_path / "x.wav", SOUNDS[sound]), tmp_path)
    assert (status, said) == (0, "")
    assert set(found) == ANSWERS[name]
    check_nothing_was_heard(name, found)


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_2_odd_rates_codings_and_lengths_have_an_answer(capsys, tmp_path, name):
    files = [
        written(tmp_path / f"{rate}.wav", SOUNDS["silent"][:4000], rate) for rate in (4000, 11025, 44100)
    ]
    files += [written(tmp_path / f"{n}.wav", SOUNDS["noise"][:n]) for n in (0, 1, 159, 161)]
    files += [written(tmp_path / f"{c}.wav", SOUNDS["silent"][:4000], subtype=c) for c in ("ALAW", "ULAW")]
    for file in files:
        status, found, said = run(capsys, name, file, tmp_path)
        assert (status, said) == (0, ""), file.name
        assert set(found) == ANSWERS[name], file.name
        check_nothing_was_heard(name, found)


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_3_what_cannot_be_read_is_one_line_and_status_2(capsys, tmp_path, name):
    whole = written(tmp_path / "whole.wav", SOUNDS["noise"][:800]).read_bytes()
    for size in (0, 4, 11, 20, 35):
        (tmp_path / f"cut at {size}.wav").write_bytes(whole[:size])
    (tmp_path / "text.wav").write_text("this is no sound\n" * 20)
    soundfile.write(tmp_path / "stereo.wav", np.zeros((800, 2), np.int16), RATE)
    soundfile.write(tmp_path / "float.wav", np.full(800, np.nan, np.float32), RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "slow.wav", np.zeros(800, np.int16), 1000)
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "still.wav").write_bytes(whole[:24] + bytes(4) + whole[28:])
    names = [f"cut at {n}.wav" for n in (0, 4, 11, 20, 35)]
    names += ["text.wav", "stereo.wav", "float.wav", "slow.wav", "absent.wav", "folder.wav", "still.wav"]
    for file in names:
        status, found, said = run(capsys, name, tmp_path / file, tmp_path)
        assert (status, found, said.count("\n")) == (2, None, 1), (file, said)
        assert file in said and "Traceback" not in said
        assert "a folder" in said or file != "folder.wav"
        assert "0 samples per second" in said or file != "still.wav"
