"""`zongji dsp` on files: the JSON it prints, and one line and exit status 2 for what it cannot use."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from appliance.cli.main import main
from tests.dsp import signals

CALL = np.concatenate(
    [
        signals.silence(500),
        signals.fsk(signals.mdmf("13800138000", "张三".encode("gb2312"))),
        signals.silence(500),
        signals.keys("0123456789*#ABCD", 60, 60, low_dbm0=-12, high_dbm0=-10),
    ]
)


@pytest.fixture
def ask(capsys):
    """Run `zongji dsp` with arguments; the answer, and whether anything else was said."""

    def run(*arguments):
        status = main(["dsp", *map(str, arguments)])
        captured = capsys.readouterr()
        assert status == 0 and captured.err == ""
        return json.loads(captured.out)

    return run


@pytest.fixture
def refused(capsys):
    """Run `zongji dsp` with arguments it must refuse; the one line that it says."""

    def run(*arguments):
        assert main(["dsp", *map(str, arguments)]) == 2
        captured = capsys.readouterr()
        assert captured.out == "" and captured.err.count("\n") == 1
        return captured.err

    return run


def wav(path, x, rate=8000, subtype="PCM_16"):
    soundfile.write(path, signals.pcm(x), rate, subtype=subtype)
    return path


@pytest.mark.parametrize("subtype", ["PCM_16", "ALAW", "ULAW"])
def test_keys_and_caller_id_of_one_call_in_every_coding(ask, tmp_path, subtype):
    file = wav(tmp_path / "call.wav", CALL, subtype=subtype)
    keys = ask("dtmf", file, "--plan", "etsi")
    assert keys["digits"] == "0123456789*#ABCD"
    assert len(keys["events"]) == 16
    first = keys["events"][0]
    assert first["digit"] == "0"
    assert first["start_s"] == pytest.approx((len(CALL) / 8 - 60 - 16 * 120) / 1000, abs=0.004)
    assert first["duration_s"] == pytest.approx(0.06, abs=0.004)
    assert first["level_dbm0"] == pytest.approx(-10.9, abs=0.3)
    assert first["twist_db"] == pytest.approx(2.0, abs=0.3)
    [message] = ask("callerid", file)["messages"]
    assert 0.5 <= message.pop("start_s") <= 1.0
    assert message == {
        "standard": "bell202",
        "format": "mdmf",
        "number": "13800138000",
        "name": "张三",
        "time": "11212305",
        "reason": "",
        "valid": True,
    }


@pytest.mark.parametrize("rate", [11025, 16000, 44100, 48000])
def test_other_sample_rates(ask, tmp_path, rate):
    place = np.arange(int(len(CALL) * rate / 8000)) * 8000 / rate
    spectrum = np.fft.rfft(CALL)
    smooth = np.fft.irfft(np.pad(spectrum, (0, len(spectrum) * 7)), len(CALL) * 8) * 8
    file = wav(tmp_path / "call.wav", np.interp(place * 8, np.arange(len(smooth)), smooth), rate)
    assert ask("dtmf", file)["digits"] == "0123456789*#ABCD"
    assert [m["number"] for m in ask("callerid", file)["messages"]] == ["13800138000"]


def test_a_key_held_to_the_end_of_the_recording_is_reported(ask, tmp_path):
    file = wav(tmp_path / "held.wav", np.concatenate([signals.silence(200), signals.key("6", 300)]))
    [event] = ask("dtmf", file)["events"]
    assert event["digit"] == "6" and event["duration_s"] == pytest.approx(0.3, abs=0.004)


def test_nothing_in_a_recording_without_samples(ask, tmp_path):
    file = wav(tmp_path / "nothing.wav", signals.silence(0))
    assert ask("dtmf", file) == {"digits": "", "events": []}
    assert ask("callerid", file) == {"messages": []}
    assert ask("progress", file) == {"segments": []}
    assert ask("disconnect", file)["hangup_s"] is None
    assert ask("amd", file)["result"] == "unknown"
    assert ask("answer", file) == {"answered_s": None, "how": "none"}
    assert ask("learn", file)["confidence"] == 0


def test_a_recording_that_breaks_off_is_heard_as_far_as_it_goes(ask, tmp_path):
    whole = wav(tmp_path / "whole.wav", signals.keys("12345", 60, 60)).read_bytes()
    broken = tmp_path / "broken.wav"
    broken.write_bytes(whole[: 44 + 2 * 8 * (40 + 3 * 120 - 30) + 1])
    assert ask("dtmf", broken)["digits"] == "123"


@pytest.mark.parametrize("size", [36, 39, 40, 43, 44])
def test_a_recording_that_breaks_off_before_its_first_sample_says_so(refused, tmp_path, size):
    whole = wav(tmp_path / "whole.wav", signals.keys("12345", 60, 60)).read_bytes()
    cut = tmp_path / "cut.wav"
    cut.write_bytes(whole[:size])
    said = refused("dtmf", cut)
    assert "cut.wav" in said and (size < 43 or "before the first sample" in said)


@pytest.mark.parametrize("riff_size", [0, 36, None])
def test_a_recording_whose_header_was_never_filled_in_is_heard_to_its_end(ask, tmp_path, riff_size):
    whole = bytearray(wav(tmp_path / "whole.wav", signals.keys("12345", 60, 60)).read_bytes())
    if riff_size is not None:
        whole[4:8] = riff_size.to_bytes(4, "little")
    whole[40:44] = bytes(4)
    killed = tmp_path / "killed.wav"
    killed.write_bytes(whole)
    assert ask("dtmf", killed)["digits"] == "12345"


def test_what_follows_an_empty_recording_is_not_taken_for_sound(ask, tmp_path):
    empty = bytearray(wav(tmp_path / "empty.wav", signals.silence(0)).read_bytes()[:44])
    note = b"LIST" + (40).to_bytes(4, "little") + b"INFO" + bytes(range(36))
    empty[4:8] = (len(empty) + len(note) - 8).to_bytes(4, "little")
    noted = tmp_path / "noted.wav"
    noted.write_bytes(empty + note)
    assert ask("progress", noted) == {"segments": []}


def test_busy_tone_is_named_and_learned_and_ends_the_call(ask, tmp_path):
    busy = np.concatenate([np.concatenate([signals.tone(450, 350, -15), signals.silence(350)])] * 8)
    file = wav(tmp_path / "busy.wav", np.concatenate([signals.silence(1000), busy]))
    assert "busy" in [s["tone"] for s in ask("progress", file, "--country", "CN")["segments"]]
    assert ask("disconnect", file, "--country", "CN")["hangup_s"] > 1.0
    learned = ask("learn", file, file)
    assert learned["frequencies_hz"] == [pytest.approx(450, abs=3)]
    assert learned["on_ms"] == pytest.approx(350, abs=25)


def test_echo_is_taken_out_and_written(ask, tmp_path):
    rng = np.random.default_rng(1)
    far = signals.noise(40000, -18, rng)
    near = 0.3 * np.concatenate([np.zeros(40), far[:-40]]) + signals.noise(40000, -65, rng)
    out = tmp_path / "out.wav"
    answer = ask("echo", wav(tmp_path / "far.wav", far), wav(tmp_path / "near.wav", near), out, "--taps", 128)
    assert len(answer["erle_db_by_second"]) == 5
    assert min(answer["erle_db_by_second"][2:]) > 20
    cleaned, rate = soundfile.read(out, dtype="int16")
    assert rate == 8000 and cleaned.shape == (40000,)


def test_what_cannot_be_used_is_refused_in_one_line(refused, tmp_path):
    stereo = tmp_path / "stereo.wav"
    soundfile.write(stereo, np.zeros((800, 2), np.int16), 8000)
    assert "mono" in refused("dtmf", stereo)
    wide = tmp_path / "wide.wav"
    soundfile.write(wide, np.zeros(800, np.int32), 8000, subtype="PCM_32")
    assert "16-bit" in refused("callerid", wide)
    flac = tmp_path / "flac.wav"
    soundfile.write(flac, np.zeros(800, np.int16), 8000, format="FLAC")
    assert "give a WAV file" in refused("dtmf", flac)
    slow = tmp_path / "slow.wav"
    soundfile.write(slow, np.zeros(800, np.int16), 1000)
    assert "1000 samples per second" in refused("dtmf", slow)
    assert "no such file" in refused("dtmf", tmp_path / "absent.wav")
    assert "this is a folder" in refused("dtmf", tmp_path)
    good = wav(tmp_path / "good.wav", signals.silence(100))
    assert "ZZ" in refused("progress", good, "--country", "ZZ")
    assert "taps" in refused("echo", good, good, tmp_path / "o.wav", "--taps", 5)
    assert "cannot be written" in refused("echo", good, good, tmp_path / "absent" / "o.wav")


@pytest.mark.parametrize("content", [b"", b"RIFF", b"hello, this is no sound at all", bytes(range(256)) * 8])
def test_files_that_are_no_recordings_are_refused(refused, tmp_path, content):
    file = tmp_path / "bad.wav"
    file.write_bytes(content)
    assert "cannot be read as a WAV file" in refused("dtmf", file)


def test_a_header_cut_at_any_octet_is_refused_or_empty(tmp_path, capsys):
    whole = wav(tmp_path / "whole.wav", signals.keys("1", 60, 60)).read_bytes()
    for length in range(44):
        file = tmp_path / "cut.wav"
        file.write_bytes(whole[:length])
        status = main(["dsp", "dtmf", str(file)])
        captured = capsys.readouterr()
        assert (status, captured.err.count("\n")) in ((2, 1), (0, 0)), length


def test_unknown_subcommands_and_plans_are_usage_errors(capsys):
    for arguments in (["dsp", "smell", "x.wav"], ["dsp", "dtmf", "x.wav", "--plan", "mars"], ["dsp"]):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2
        capsys.readouterr()


@pytest.mark.parametrize("plan", ["NTT", "AT&T", "Denmark", "ETSI"])
def test_a_plan_is_named_as_people_write_it(ask, tmp_path, plan):
    file = wav(tmp_path / "keys.wav", signals.keys("159", 60, 60))
    assert ask("dtmf", file, "--plan", plan)["digits"] == "159"


@pytest.mark.parametrize("words", [["dtmf", "x.wav", "--plan", "mars"], ["dtmf"], ["learn"]])
def test_arguments_that_cannot_be_used_are_one_line(capsys, words):
    with pytest.raises(SystemExit) as left:
        main(["dsp", *words])
    said = capsys.readouterr().err
    assert left.value.code == 2 and said.count("\n") == 1 and said.startswith(f"zongji dsp {words[0]}: ")
