"""Whoever talks with a line does not hear himself come back from it, and the caller is heard as he speaks."""

from collections import deque

import numpy as np
import pytest
from engine_box import Box, plan_data, speech

from appliance.engine.lineecho import LineEcho
from appliance.engine.powers import Powers

RATE = 8000
AGENT = speech("vm-options", "tt-weasels", "vm-intro", "vm-options", "tt-monkeysintro")
CALLER = speech("demo-instruct", "vm-instructions")
NO_ECHO = 60.0
T = np.arange(RATE * 12) / RATE
TONE = (5000 * np.sin(2 * np.pi * 600 * T)).astype(np.int16)
"""Of no exchange, so that it ends no call."""


def level_db(samples):
    return 10 * np.log10(np.mean(np.square(samples.astype(float))) + 1e-3)


@pytest.fixture
def talk(tmp_path):
    """A call that has begun: the box, its caller and the agent's telephone."""
    boxes = []

    def begin(erl_db=10.0, phone_erl_db=14.0, cancels=True, country="CN", learned=True, queued=0, **plan):
        data = plan_data(1, 1, country=country, **plan)
        data["lines"][0] |= {"automatic_gain": False}
        office = {"country": country, "line": {"erl_db": erl_db}, "phone": {"erl_db": phone_erl_db}}
        folder = tmp_path / str(len(boxes))
        boxes.append(box := Box(folder, 1, 1, plan=data, office={**office, "hearing_s": 20}))
        if queued:
            play_later(box.board, queued)
        if not cancels:
            box.engine._echo.process = lambda heard, *_: heard
        box.sign_in("1001", "801")
        caller, phone = box.office.outside("Anna"), box.phone("801")
        caller.call(0, number="13800138000", name="Anna")
        box.until(lambda: box.line_state() == "ivr", 12)
        box.run(2.5)
        caller.press("1")
        box.until(lambda: phone.ringing)
        phone.lift()
        box.until(lambda: box.agent_state("1001") == "talking")
        box.run(0.3)
        if not learned:
            box.engine._echo.reset([0])
        return box, caller, phone

    yield begin
    for box in boxes:
        box.close()


def play_later(board, blocks):
    """As a card whose queue of blocks to be played is so deep."""
    waiting, write = deque(), board.write

    def put(audio):
        waiting.append(audio.copy())
        if len(waiting) > blocks:
            write(waiting.popleft())

    board.write, board.echo_blocks = put, blocks


def heard_by_agent(talking, seconds, says=None, agent_says=None):
    """What the agent's telephone brings while the caller says one thing and the agent another."""
    box, caller, phone = talking
    if says is not None:
        caller.say(says)
    if agent_says is not None:
        phone.say(agent_says)
    box.run(seconds)
    return phone.heard(seconds)


def recorded(talking):
    box, caller, _ = talking
    caller.hang_up()
    box.until(lambda: box.records(), 10)
    return box.recording(box.records()[0])


@pytest.mark.parametrize("learned", [True, False], ids=["after the greeting", "on a line never heard before"])
@pytest.mark.parametrize("erl_db", [6.0, 10.0, 20.0])
def test_an_agent_who_speaks_alone_hears_nothing_of_himself(talk, erl_db, learned):
    without = heard_by_agent(talk(erl_db, cancels=False), 4, agent_says=AGENT)
    with_it = heard_by_agent(talk(erl_db, learned=learned), 4, agent_says=AGENT)
    first = 0 if learned else RATE
    assert level_db(without[first:]) - level_db(with_it[first:]) >= 20


@pytest.mark.parametrize("blocks", [1, 3])
def test_echo_of_a_card_with_a_deep_queue_is_found_behind_it(talk, blocks):
    without = heard_by_agent(talk(queued=blocks, cancels=False), 4, agent_says=AGENT)
    with_it = heard_by_agent(talk(queued=blocks), 4, agent_says=AGENT)
    assert level_db(without) - level_db(with_it) >= 20


@pytest.mark.parametrize(("erl_db", "phone_erl_db"), [(10.0, 14.0), (6.0, 6.0)])
@pytest.mark.parametrize("agent_says", [AGENT, None], ids=["both speak", "the caller alone"])
def test_the_caller_is_heard_as_he_speaks(talk, erl_db, phone_erl_db, agent_says):
    """Against the same words on lines and telephones that return nothing."""
    alone = heard_by_agent(talk(NO_ECHO, NO_ECHO, cancels=False), 8, CALLER)
    with_it = heard_by_agent(talk(erl_db, phone_erl_db), 8, CALLER, agent_says)
    assert level_db(with_it) == pytest.approx(level_db(alone), abs=0.3)
    assert level_db(alone) - level_db(with_it - alone.astype(float)) >= 15
    frames = alone.astype(float).reshape(-1, 160), with_it.astype(float).reshape(-1, 160)
    loud = level_db(alone) - 10 < 10 * np.log10((frames[0] ** 2).mean(1) + 1)
    kept = (frames[0] * frames[1]).sum(1)[loud] / (frames[0] ** 2).sum(1)[loud]
    assert np.mean(kept > 0.5) >= 0.99, "no word is chopped"


@pytest.mark.parametrize("agent_says", [AGENT, None], ids=["the agent speaks", "the agent listens"])
def test_a_tone_of_the_callers_is_neither_taken_away_nor_learned(talk, agent_says):
    """The telephone returns it, as a line would return what is said to it."""
    alone = heard_by_agent(talk(NO_ECHO, NO_ECHO, cancels=False), 10, TONE)
    talking = talk(6.0, 6.0)
    box = talking[0]
    with_it = heard_by_agent(talking, 10, TONE, None if agent_says is None else agent_says[: 8 * RATE])
    tone = np.exp(-2j * np.pi * 600 * T[: len(alone)])
    amounts = [abs(np.mean(heard * tone)) for heard in (alone, with_it)]
    assert 20 * np.log10(amounts[1] / amounts[0]) == pytest.approx(0, abs=1.0)
    box.run(2.5)
    left = heard_by_agent(talking, 2, agent_says=AGENT)
    assert level_db(AGENT[: 2 * RATE]) - level_db(left) >= 36, "the line is still known"


@pytest.mark.parametrize("country", ["CN", "US", "GB", "DE", "HK"])
@pytest.mark.parametrize("learned", [True, False])
def test_the_disconnect_tone_of_every_country_still_ends_the_call(talk, country, learned):
    talking = talk(6.0, 6.0, country=country, learned=learned)
    box, caller, _ = talking
    heard_by_agent(talking, 6, CALLER[: 6 * RATE], AGENT[: 6 * RATE])
    caller.hang_up()
    box.until(lambda: box.records(), 6)
    assert box.records()[0]["cue"] == "tone"


def test_the_recording_has_the_agent_once(talk):
    def error_db(cancels):
        plain, echoed = talk(NO_ECHO, NO_ECHO, cancels=False), talk(6.0, 20.0, cancels=cancels)
        for talking in (plain, echoed):
            heard_by_agent(talking, 6, agent_says=AGENT)
        a, b = (recorded(talking)[-9 * RATE : -3 * RATE].astype(float) for talking in (plain, echoed))
        return level_db(b - a) - level_db(a)

    assert error_db(True) < error_db(False) - 15


def test_a_path_that_changes_in_the_conversation_is_learned_again(talk):
    talking = talk(10.0)
    box = talking[0]
    box.office.line(0).change(erl_db=8.0, echo_delay_ms=4.0)
    heard = heard_by_agent(talking, 6, agent_says=AGENT)
    said = AGENT[: len(heard)]
    gone_db = [
        level_db(said[c]) - level_db(heard[c]) for c in (slice(3 * RATE, 4 * RATE), slice(4 * RATE, None))
    ]
    assert min(gone_db) >= 28


def test_in_a_conversation_with_a_fax_no_echo_is_cancelled(talk):
    """Though its answering tone does not ask for that."""
    talking = talk()
    engine = talking[0].engine
    assert engine._echo_active[0]
    heard_by_agent(talking, 3, (6000 * np.sin(2 * np.pi * 2100 * T[: 3 * RATE])).astype(np.int16))
    assert not engine.modems[0] and not engine._echo_active[0]


def test_a_card_without_a_queue_does_not_hide_that_of_another():
    echo = LineEcho(2, 2)
    echo.delay([0], 3)
    echo.delay([1], 0)
    echo.active[:] = True
    rows, matrix, none = np.arange(2), np.zeros((2, 2), np.float32), np.zeros(2, bool)
    rng = np.random.default_rng(1)
    said = [rng.normal(0, 3000, (2, 160)).astype(np.float32) for _ in range(150)]
    left = []
    for tick, now in enumerate(said):
        echo.remember(now, rows)
        heard = 0.3 * np.stack([said[max(tick - 3, 0)][0], now[1]])
        left.append(level_db(echo.process(heard.copy(), now, rows, none, matrix)))
    assert level_db(heard) - np.mean(left[-20:]) >= 25


# ------------------------------------------------------------------- by itself
class Pair:
    """Two ports that hear each other, each with a hybrid, and the canceller of those that are lines."""

    def __init__(self, lines, erl_db=8.0):
        rng = np.random.default_rng(3)
        taps = rng.standard_normal((2, 40)) * np.exp(-np.arange(40) / 8)
        self.paths = taps / np.linalg.norm(taps, axis=1, keepdims=True) * 10 ** (-erl_db / 20)
        self.echo = LineEcho(2, lines)
        self.echo.active[:] = True
        self.rows = np.arange(lines)
        self.past = np.zeros((2, 39))
        self.said = np.zeros((2, 160), np.float32)
        self.matrix = np.array([[0, 1], [1, 0]], np.float32)

    def talk(self, words, bridged=(True, True)):
        """words: [2, n]; what the lines bring (as the detectors have it), and what is heard of them."""
        found = []
        for at in range(0, words.shape[1] - 159, 160):
            sent = np.concatenate([self.past, self.said], axis=1)
            self.past = sent[:, -39:]
            back = [np.convolve(x, path, "valid") for x, path in zip(sent, self.paths, strict=True)]
            heard = (words[:, at : at + 160] + np.stack(back)).astype(np.float32)
            raw, powers = heard.copy(), Powers.of(heard, self.said)
            clean = self.echo.process(heard, self.said, self.rows, np.array(bridged), self.matrix)
            self.echo.listen(powers)
            self.said = clean[::-1].copy()
            found.append((raw, heard.copy(), clean.copy()))
        return [np.concatenate(parts, axis=1) for parts in zip(*found, strict=True)]


def test_detectors_hear_a_line_in_a_conversation_as_it_is_and_one_that_hears_prompts_without_them():
    words = np.stack([CALLER[: 4 * RATE] * 0.0, AGENT[: 4 * RATE]])
    raw, heard, clean = Pair(1).talk(words)
    assert np.array_equal(raw, heard)
    assert level_db(raw[0, RATE:]) - level_db(clean[0, RATE:]) > 20
    raw, heard, clean = Pair(1).talk(words, bridged=(False, False))
    assert np.array_equal(heard, clean) and level_db(raw[0, RATE:]) - level_db(heard[0, RATE:]) > 20


def test_two_lines_that_talk_with_each_other_are_both_cleaned_and_nothing_goes_round():
    pair = Pair(2)
    both = np.stack([np.roll(CALLER[: 8 * RATE], 4 * RATE), AGENT[: 8 * RATE]])
    turns = both * (np.arange(8 * RATE) // RATE % 2 == np.array([[0], [1]]))
    pair.talk(turns)
    raw, _, clean = pair.talk(turns)
    for line in (0, 1):
        silent = turns[line] == 0
        assert level_db(raw[line, silent]) - level_db(clean[line, silent]) > 12
        assert level_db(clean[line, ~silent]) == pytest.approx(level_db(turns[line, ~silent]), abs=0.3)
    tones = np.zeros((2, 4 * RATE))
    tones[0] = TONE[: 4 * RATE]
    pair.talk(tones)
    _, _, after = pair.talk(np.zeros((2, RATE)))
    assert level_db(after[:, RATE // 2 :]) < level_db(TONE) - 50, "silence after it is silent"


def test_what_a_telephone_returns_of_the_caller_teaches_nothing():
    pair = Pair(1, erl_db=4.0)
    pair.talk(np.stack([TONE, np.zeros(len(TONE))]))
    assert not pair.echo.path(0).any()
