"""The sets of recordings are kept apart, and a false event is told with the right file."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.bench.dsp import kept, long
from tests.dsp import corpora

SETUP = (Path(__file__).parents[2] / "setup.sh").read_text()


@pytest.mark.parametrize("speed", [1.0, 1.25, 0.8])
def test_a_place_on_the_tape_is_told_by_file_and_second(speed):
    # Every sample tells where it is: file and place in it.
    named = {f"{i}.wav": 10.0 * i + np.arange(4000 + 1000 * i, dtype=np.float32) / 8000 for i in range(1, 10)}
    tape = long.Tape(named, 800)
    played = corpora.faster(tape.rows, speed)
    told = 0
    for port in range(long.PORTS):
        for at in range(0, played.shape[1], 97):
            file, second = tape.place(port, at, speed)
            x = named[file]
            if second * 8000 < len(x) - 2:  # no pause
                assert played[port, at] == pytest.approx(x[0] + second, abs=0.006)
                told += 1
    assert told > 400
    assert tape.hours == sum(map(len, named.values())) / 8000 / 3600


def test_no_speed_of_one_set_is_one_of_the_other():
    judging, fresh = long.SPEEDS["judging"], long.SPEEDS["fresh"]
    assert np.array_equal(fresh, long.SPEEDS["heard"]), "what was heard once is heard again"
    assert np.abs(judging[:, None] - fresh).min() > 0.003
    assert len(np.unique(fresh.round(6))) == len(fresh)
    assert fresh.min() > 0.5


def test_the_fresh_recordings_are_of_packages_that_nothing_else_uses():
    lines = [line for line in SETUP.splitlines() if "packages=" in line]
    for package in corpora.FRESH_PACKAGES + corpora.HEARD_PACKAGES:
        assert sum(package in re.split(r'[\s"]+', line) for line in lines) == 1
    used = [
        corpora.SPEECH,
        corpora.MUSIC,
        *(long.SOUNDS / name for name in long.voices() if name != long.MUSIC),
    ]
    used += corpora.HEARD.values()
    assert not set(corpora.FRESH_PACKAGES) & set(corpora.HEARD_PACKAGES)
    for folder in corpora.FRESH.values():
        assert not any(folder.is_relative_to(other) or other.is_relative_to(folder) for other in used)


def test_recordings_of_any_rate_and_form_become_telephone_sound(tmp_path):
    seconds, hz = 0.5, 1000
    for name, rate, channels, options in (
        ("a.wav", 8000, 1, {}),
        ("b.ogg", 44100, 2, {}),
        ("c.wav", 22050, 1, {}),
        ("d.wav", 128000, 2, {}),
        ("e.gsm", 8000, 1, {"format": "RAW", "subtype": "GSM610"}),
        ("f.wav", 5000, 1, {}),
    ):
        x = 0.3 * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate)
        soundfile.write(tmp_path / name, np.repeat(x[:, None], channels, 1), rate, **options)
    (tmp_path / "again.wav").write_bytes((tmp_path / "a.wav").read_bytes())
    found = corpora.all_recordings(tmp_path)
    assert list(found) == ["a.wav", "b.ogg", "c.wav", "d.wav", "e.gsm", "f.wav"]
    for name, x in found.items():
        middle = x[800:3200].astype(float)
        wave = np.exp(2j * np.pi * hz * np.arange(len(middle)) / 8000)
        assert abs(len(x) - 4000) <= 320, name
        assert 2 * abs(middle @ wave) / len(middle) == pytest.approx(0.3 * 32768, rel=0.05), name


@pytest.mark.parametrize(
    ("found", "digits", "hang_ups"),
    [
        ({"hours": 20.1, "false_digits": 0, "hang_up_hours": 100.0, "false_hang_ups": 1}, True, True),
        ({"hours": 20.1, "false_digits": 1, "hang_up_hours": 100.0, "false_hang_ups": 2}, False, False),
        ({"hours": 19.9, "false_digits": 0, "hang_up_hours": 99.0, "false_hang_ups": 0}, False, False),
    ],
)
def test_a_count_is_within_its_target_only_when_enough_was_heard(found, digits, hang_ups):
    assert kept.few_enough(found, "false_digits") is digits
    assert kept.few_enough(found, "false_hang_ups") is hang_ups
