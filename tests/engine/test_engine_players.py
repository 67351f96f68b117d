"""Prompts, music, tones and dialled digits, sample by sample."""

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from appliance.engine.players import FADE_SAMPLES, Finished, Players
from appliance.engine.prompts import LOADING, PromptError, PromptStore
from appliance.engine.sounds import digits_spec, tone_spec
from appliance.engine.worker import Worker
from dsp.dtmf import DtmfReceiver

SOUNDS = {
    "a": np.arange(1, 301, dtype=np.int16),
    "b": np.arange(1001, 1101, dtype=np.int16),
    "empty": np.zeros(0, np.int16),
}


def get(name):
    if name == "loading":
        return LOADING
    if name not in SOUNDS:
        raise PromptError(f"prompt {name!r} does not exist")
    return SOUNDS[name]


def hear(players, blocks, row=0, rows=2):
    out = np.zeros((rows, blocks * 160), np.float32)
    for i in range(blocks):
        players.add_to(out[:, i * 160 : (i + 1) * 160])
    return out[row]


def test_prompts_follow_each_other_without_a_gap_and_the_end_is_told():
    players = Players(2, get)
    players.play(0, 7, ("a", "b"), False)
    sound = hear(players, 3)
    assert (sound[:300] == SOUNDS["a"]).all() and (sound[300:400] == SOUNDS["b"]).all()
    assert not sound[400:].any()
    assert players.take_finished() == [Finished(0, 7)]
    assert players.take_finished() == []


@given(st.lists(st.sampled_from("ab"), min_size=1, max_size=3), st.integers(5, 12))
def test_music_never_ends_and_has_no_seam(names, blocks):
    players = Players(1, get)
    players.play(0, 1, tuple(names), True)
    sound = hear(players, blocks, rows=1)
    whole = np.concatenate([SOUNDS[name] for name in names])
    assert (sound == np.resize(whole, len(sound))).all()
    assert players.take_finished() == []


@given(
    st.lists(
        st.tuples(
            st.integers(0, 12),
            st.integers(0, 3),
            st.lists(st.sampled_from([0, 1, 159, 160, 161, 320, 479, 700]), min_size=1, max_size=4),
            st.booleans(),
        ),
        max_size=8,
    )
)
def test_each_row_plays_its_own_prompts_whatever_the_others_play(orders):
    """Lengths around those of blocks; a row that is given something else begins it in the next block."""
    blocks, rows = 16, 4
    sounds = {str(n): (1 + np.arange(n) + 7 * n).astype(np.int16) for _, _, parts, _ in orders for n in parts}
    players = Players(rows, sounds.__getitem__)
    wanted = np.full((rows, blocks * 160), 5.0, np.float32)
    ends = []
    for block in range(blocks):
        for token, (when, row, parts, loop) in enumerate(orders):
            if when != block:
                continue
            players.play(row, token, tuple(str(n) for n in parts), loop)
            begin = block * 160
            whole = np.concatenate([sounds[str(n)] for n in parts])
            length = wanted.shape[1] - begin if loop and len(whole) else len(whole)
            rest = wanted[row, begin:]  # the fade of what was there is tested elsewhere
            rest[:] = 5.0
            rest[:length] += np.resize(whole, length)[: len(rest)]
            ends = [end for end in ends if end[1] != row or end[0] < block]
            if not loop or not len(whole):
                ends.append((block + len(whole) // 160, row, token))
        out = np.full((rows, 160), 5.0, np.float32)
        players.add_to(out)
        fresh = [row for when, row, _, _ in orders if when == block]
        same = out == wanted[:, block * 160 : (block + 1) * 160]
        same[fresh, :FADE_SAMPLES] = True
        assert same.all()
        told = {(block, one.row, one.token) for one in players.take_finished()}
        assert told == {end for end in ends if end[0] == block}


def test_a_missing_prompt_is_told_at_once_with_its_name():
    players = Players(2, get)
    players.play(0, 7, ("a", "gone"), False)
    [finished] = players.take_finished()
    assert finished.token == 7 and "'gone'" in finished.error
    assert not hear(players, 2).any()


def test_music_without_sound_is_an_error_and_no_endless_loop():
    players = Players(2, get)
    players.play(0, 7, ("empty",), True)
    hear(players, 1)
    [finished] = players.take_finished()
    assert "empty" in finished.error


def test_a_prompt_that_is_still_loading_begins_when_it_is_there():
    sounds = {"late": LOADING}
    players = Players(2, sounds.__getitem__)
    players.play(0, 7, ("late",), False)
    assert not hear(players, 3).any()
    sounds["late"] = SOUNDS["b"]
    assert (hear(players, 1)[:100] == SOUNDS["b"]).all()


def test_stopping_fades_instead_of_clicking():
    loud = np.full(8000, 10000, np.int16)
    players = Players(2, lambda name: loud)
    players.play(0, 1, ("x",), False)
    hear(players, 2)
    players.quiet(0)
    tail = hear(players, 1)
    assert np.abs(np.diff(tail[:30])).max() < 1000 and not tail[20:].any()
    assert players.take_finished() == []


def test_a_new_sound_replaces_the_old_one_and_rows_do_not_mix():
    players = Players(2, get)
    players.play(0, 1, ("a",), True)
    players.tone(1, tone_spec("CN", "dial"))
    hear(players, 1)
    players.play(0, 2, ("b",), False)
    sound = hear(players, 1)
    assert (sound[20:100] == SOUNDS["b"][20:]).all()
    assert np.abs(hear(players, 1, row=1)).max() > 1000


@pytest.mark.parametrize("country", ["CN", "US", "GB"])
@pytest.mark.parametrize("name", ["dial", "ringback", "busy", "congestion", "howler", "confirm", "error"])
def test_every_tone_of_the_core_sounds_in_every_country(country, name):
    players = Players(1, get)
    players.tone(0, tone_spec(country, name))
    sound = hear(players, 10, rows=1)
    assert np.abs(sound).max() > 3000


def test_dialled_digits_are_what_a_receiver_hears_and_the_end_is_told():
    players = Players(1, get)
    players.dial(0, 9, digits_spec("0,13800*#"))
    receiver = DtmfReceiver(1)
    keys, finished = "", []
    for _ in range(200):
        block = np.zeros((1, 160), np.float32)
        players.add_to(block)
        keys += "".join(event.digit for event in receiver.process(block) if event.phase == "down")
        finished += players.take_finished()
    assert keys == "013800*#"
    assert finished == [Finished(0, 9, dialled=True)]


# -------------------------------------------------------------- files
@pytest.fixture
def store(tmp_path):
    return PromptStore(tmp_path / "own", tmp_path / "shipped", Worker("prompts", threaded=False), "zh")


def write(path, value, rate=8000, channels=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full((800, channels), value, np.int16), rate, subtype="PCM_16")


def test_own_prompts_come_before_shipped_ones_and_the_other_language_last(store, tmp_path):
    with pytest.raises(PromptError, match="'hello' does not exist"):
        store.get("hello")
    write(tmp_path / "shipped/en/hello.wav", 1)
    assert store.get("hello")[0] == 1
    for value, where in ((2, "own/en"), (3, "shipped/zh"), (4, "own/zh")):
        write(tmp_path / where / "hello.wav", value)
        store.use("zh")
        assert store.get("hello")[0] == value


def test_a_changed_prompt_is_read_anew_with_the_next_plan(store, tmp_path):
    path = tmp_path / "own/zh/hello.wav"
    write(path, 1)
    assert store.get("hello")[0] == 1
    write(path, 2)
    path.touch()
    store.use("zh")
    assert store.get("hello")[0] == 2


def test_stereo_becomes_one_channel_and_names_cannot_leave_the_folder(store, tmp_path):
    write(tmp_path / "own/zh/wide.wav", 5, channels=2)
    write(tmp_path / "secret.wav", 6)
    samples = store.get("wide")
    assert samples.ndim == 1 and samples[0] == 5
    with pytest.raises(PromptError):
        store.get("../../secret")


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
def test_other_rates_become_8000_samples_a_second(store, tmp_path, rate):
    folder = tmp_path / "own/zh"
    folder.mkdir(parents=True)
    tone = 8000 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    soundfile.write(folder / "tone.wav", tone.astype(np.int16), rate)
    samples = store.get("tone").astype(float)
    assert abs(len(samples) - 8000) <= 1
    spectrum = np.abs(np.fft.rfft(samples[:8000] * np.hanning(len(samples[:8000]))))
    assert abs(int(spectrum.argmax()) - 440) <= 1


def test_what_is_no_sound_is_an_error_that_names_the_file(store, tmp_path):
    (tmp_path / "own/zh").mkdir(parents=True)
    (tmp_path / "own/zh/bad.wav").write_bytes(b"not a wave file")
    with pytest.raises(PromptError, match=r"bad\.wav"):
        store.get("bad")
