"""Every field of what `zongji dsp` prints, for each subcommand, on recordings made here."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
import soundfile

from appliance.cli.main import main
from tests.dsp import signals
from tests.dsp import signals_progress as S
from tests.dsp.test_answer_amd import GREETINGS, WORDS

TONES = {
    *("dial", "ringback", "busy", "congestion", "sit", "voice", "silence", "fax-cng", "fax-ced"),
}


@pytest.fixture
def ask(tmp_path, capsys):
    """The answer of a subcommand to recordings [n] each."""

    def run(name, *recordings, options=()):
        files = []
        for index, x in enumerate(recordings):
            files.append(str(tmp_path / f"{index}.wav"))
            soundfile.write(files[-1], signals.pcm(x), 8000, subtype="PCM_16")
        if name == "echo":
            files.append(str(tmp_path / "out.wav"))
        assert main(["dsp", name, *files, *options]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def test_dtmf(ask):
    x = np.concatenate([signals.silence(300), signals.keys("7#", 80, 90, low_dbm0=-14, high_dbm0=-11)])
    found = ask("dtmf", x)
    assert set(found) == {"digits", "events"} and found["digits"] == "7#"
    first, second = found["events"]
    assert set(first) == {"digit", "start_s", "duration_s", "level_dbm0", "twist_db"}
    assert (first["digit"], second["digit"]) == ("7", "#")
    assert second["start_s"] - first["start_s"] == pytest.approx(0.170, abs=0.004)
    assert first["duration_s"] == pytest.approx(0.080, abs=0.004)
    assert first["level_dbm0"] == pytest.approx(10 * np.log10((10**-1.4 + 10**-1.1) / 2), abs=0.3)
    assert first["twist_db"] == pytest.approx(3.0, abs=0.3)


@pytest.mark.parametrize(
    ("standard", "tones_hz"), [("bell202", signals.BELL202), ("v23", signals.V23)], ids=["bell202", "v23"]
)
def test_callerid_by_fsk(ask, standard, tones_hz):
    one = signals.fsk(signals.mdmf("02112345678", b"LI WEI"), tones_hz)
    two = signals.fsk(signals.sdmf("5551234"), tones_hz)
    x = np.concatenate([signals.silence(500), one, signals.silence(900), two, signals.silence(300)])
    first, second = ask("callerid", x)["messages"]
    at_s = first.pop("start_s")
    assert at_s == pytest.approx(0.5, abs=0.01)
    assert second.pop("start_s") == pytest.approx(1.4 + len(one) / 8000, abs=0.01)
    assert first == {
        "standard": standard,
        "format": "mdmf",
        "number": "02112345678",
        "name": "LI WEI",
        "time": "11212305",
        "reason": "",
        "valid": True,
    }
    assert second == first | {"format": "sdmf", "number": "5551234", "name": ""}


@pytest.mark.parametrize(
    ("keys", "number", "reason"),
    [
        ("A13800138000#", "13800138000", ""),
        ("D02112345678C", "02112345678", ""),
        ("A5551234D7654321C", "5551234", ""),
        ("B00C", "", "unavailable"),
        ("B10C", "", "withheld"),
    ],
)
def test_callerid_by_keys(ask, keys, number, reason):
    x = np.concatenate([signals.silence(300), signals.keys(keys, 60, 60), signals.silence(600)])
    [message] = ask("callerid", x)["messages"]
    assert message.pop("start_s") == pytest.approx(0.34, abs=0.06)
    assert message == {
        "standard": "dtmf",
        "format": "dtmf",
        "number": number,
        "name": "",
        "time": "",
        "reason": reason,
        "valid": True,
    }


def test_progress(ask):
    ring = S.tone((450,), (1000, 4000), 10, -18)
    x = np.concatenate([S.silence(0.5), ring, S.tone((450,), (350, 350), 4.2, -18), S.silence(1)])
    segments = ask("progress", x + S.white(len(x) / 8000, -55, 1), options=["--country", "CN"])["segments"]
    assert all(set(part) == {"tone", "start_s", "end_s"} for part in segments)
    assert {part["tone"] for part in segments} <= TONES
    assert segments[0]["start_s"] == 0 and segments[-1]["end_s"] == pytest.approx(len(x) / 8000, abs=0.001)
    for a, b in pairwise(segments):
        assert a["end_s"] == b["start_s"]
    times = {part["tone"]: (part["start_s"], part["end_s"]) for part in segments if part["tone"] != "silence"}
    assert set(times) == {"ringback", "busy"}
    assert times["ringback"] == (pytest.approx(0.5, abs=0.06), pytest.approx(10.5, abs=0.3))
    assert times["busy"] == (pytest.approx(10.5, abs=0.3), pytest.approx(14.7, abs=0.4))


def test_disconnect(ask):
    x = np.concatenate([WORDS[0], S.silence(1), S.tone((450,), (350, 350), 4.2, -18)])
    found = ask("disconnect", x, options=["--country", "CN"])
    began_s = len(WORDS[0]) / 8000 + 1
    assert set(found) == {"hangup_s", "reason"} and found["reason"] == "busy"
    assert began_s + 1.4 < found["hangup_s"] <= began_s + 2.1
    assert ask("disconnect", S.silence(2)) == {"hangup_s": None, "reason": None}


def test_learn(ask):
    calls = [
        np.concatenate([WORDS[i], S.silence(0.7), S.tone((480, 620), (500, 500), 6, -20)]) for i in range(3)
    ]
    found = ask("learn", *calls)
    assert set(found) == {"frequencies_hz", "on_ms", "off_ms", "confidence"}
    assert found["frequencies_hz"] == [pytest.approx(480, abs=4), pytest.approx(620, abs=4)]
    assert found["on_ms"] == pytest.approx(500, abs=25) and found["off_ms"] == pytest.approx(500, abs=25)
    assert 0.5 < found["confidence"] <= 1.0


def test_echo(ask):
    rng = np.random.default_rng(3)
    far = signals.noise(24000, -20, rng)
    near = 0.25 * np.concatenate([np.zeros(30), far[:-30]]) + signals.noise(24000, -62, rng)
    found = ask("echo", far, near)
    assert set(found) == {"erle_db_by_second"} and len(found["erle_db_by_second"]) == 3
    assert min(found["erle_db_by_second"]) > 0 and found["erle_db_by_second"][2] > 20
    offset = ask("echo", far, near + 1000)["erle_db_by_second"]
    assert offset == pytest.approx(found["erle_db_by_second"], abs=1), (
        "direct current is neither echo nor left"
    )


def test_amd(ask):
    for x, who in ((WORDS[0], "person"), (GREETINGS[0], "machine")):
        found = ask(
            "amd", np.concatenate([S.silence(0.4), x, S.silence(2.5)]) + S.white(30, -55, 2)[: len(x) + 23200]
        )
        assert set(found) == {"result", "at_s"} and found["result"] == who
        assert 0.4 < found["at_s"] <= 5.0


def test_answer(ask):
    ring = S.tone((450,), (1000, 4000), 7.5, -20)
    spoken = np.concatenate([S.silence(0.5), ring, WORDS[0], S.silence(1)])
    found = ask("answer", spoken + S.white(len(spoken) / 8000, -55, 3), options=["--country", "CN"])
    assert set(found) == {"answered_s", "how"} and found["how"] == "inferred"
    assert 7.9 < found["answered_s"] <= 9.0
    assert ask("answer", np.concatenate([S.silence(0.5), S.tone((450,), (1000, 4000), 10, -20)])) == {
        "answered_s": None,
        "how": "none",
    }
