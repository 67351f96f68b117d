"""Sound files of stories."""

import numpy as np
import pytest
import soundfile

from appliance.scenario import sounds


def test_other_rates_and_channels_become_8_khz_mono_at_the_same_level(tmp_path):
    t = np.arange(44100) / 44100
    both = np.stack([0.4 * np.sin(2 * np.pi * 1000 * t)] * 2, axis=1)
    soundfile.write(tmp_path / "a.wav", both, 44100)
    got = sounds.load(sounds.find("a", tmp_path))
    assert got.dtype == np.int16
    assert len(got) == 8000
    assert sounds.level_dbm0(got) == pytest.approx(20 * np.log10(0.4 * 32768 / 22827), abs=0.1)
    strongest = np.argmax(np.abs(np.fft.rfft(got.astype(float))))
    assert strongest == 1000


def test_a_law_files_are_read(tmp_path):
    tone = sounds.tone((800.0,), -10.0, 0.5)
    soundfile.write(tmp_path / "a.wav", tone, 8000, subtype="ALAW")
    assert sounds.level_dbm0(sounds.load(tmp_path / "a.wav")) == pytest.approx(-10.0, abs=0.1)


def test_the_story_s_own_folder_comes_first(tmp_path):
    (tmp_path / "audio").mkdir()
    soundfile.write(tmp_path / "audio" / "hello.wav", sounds.tone((800.0,), -10.0, 0.5), 8000)
    assert sounds.find("hello", tmp_path) == tmp_path / "audio" / "hello.wav"
    assert sounds.find("vm-goodbye", tmp_path).parent == sounds.SPOKEN_SOUNDS


def test_what_is_missing_or_no_sound_is_said(tmp_path, monkeypatch):
    with pytest.raises(sounds.NoSound, match="asterisk-core-sounds-en-wav"):
        sounds.find("nothing-like-it", tmp_path)
    monkeypatch.setattr(sounds, "SPOKEN_SOUNDS", tmp_path / "not-installed")
    with pytest.raises(sounds.NoSound, match="sudo apt-get install asterisk-core-sounds-en-wav"):
        sounds.find("vm-goodbye", tmp_path)
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(sounds.NoSound, match="is not a sound file that can be read"):
        sounds.load(tmp_path / "text.wav")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0, np.int16), 8000)
    with pytest.raises(sounds.NoSound, match=r"holds 0\.0 s"):
        sounds.load(tmp_path / "empty.wav")
