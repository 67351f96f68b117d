"""Files that cannot be understood: the line, and a sentence that teaches."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.scenario.reading import parse_story
from appliance.scenario.text import StoryError

HERE = Path(__file__).parent / "x.yaml"


def steps(*lines, who="caller Li", rest=""):
    body = "".join(f"    - {line}\n" for line in lines)
    return f"story: x\n{rest}people:\n  {who}:\n{body}"


BAD = [
    ("", 1, "the file is empty"),
    ("story: x\n", 1, "nobody takes part"),
    ("people: {caller Li: [wait 1 s]}", 1, "begins with `story:"),
    ("story: x\nstory: y\npeople: {office: []}", 2, "already written in line 1"),
    ("story: x\npeeple: {}\n", 2, "Did you mean `people`?"),
    ("story: x\npeople:\n  Li:\n    - wait 1 s\n", 3, "Write `caller NAME`"),
    ("story: x\npeople:\n  callr Li:\n    - wait 1 s\n", 3, "Did you mean `caller`?"),
    ("story: x\npeople:\n  caller:\n    - wait 1 s\n", 3, "needs a name"),
    ("story: x\npeople:\n\tcaller Li: []\n", 3, "tab"),
    ("story: x\npeople: {phone 809: [lift]}\n", 2, "it has 801, 802"),
    (steps("presss 1"), 4, "`press 1`"),
    (steps("press #"), 4, "press hash"),
    (steps("press x"), 4, "not understood"),
    (steps("wait 1 s", "call line 7"), 5, "the box has no line 7; it has L1, L2"),
    (steps("sign in"), 4, "something for an agent, not for a caller"),
    (steps("call line 1", who="agent Wang"), 4, "something for a caller, not for an agent"),
    (steps("hear person Wnag", who="caller Wang"), 4, "Did you mean `Wang`?"),
    (steps("hear greeting"), 4, "write `prompt greeting`"),
    (steps("say no-such-sound"), 4, "asterisk-core-sounds-en-wav"),
    (steps("hear prompt greting"), 4, "Did you mean `greeting`?"),
    (steps("answer within 5 s"), 4, "`within` has no meaning here"),
    (steps("say: a: b"), 4, "put a sentence that contains `: ` in quotes"),
    (steps("[press 1]"), 4, "a step is one sentence"),
    (steps("expect queue salse has 2 waiting"), 4, "Did you mean `sales`?"),
    (steps("transfer to 802 but is refused with busi", who="agent Wang"), 4, "Did you mean `busy`?"),
    (steps("expect agent Wang is redy", who="agent Wang"), 4, "Did you mean `ready`?"),
    (steps("expect line 1 is bsy"), 4, "States: idle, ringing"),
    (steps("wait 1 s", rest="box: {numbers: {abc: busy}}\n"), 2, "write digits"),
    (steps("wait for a call"), 4, "the box needs a number to call"),
    (steps("wait 1 s", rest="box: {lines: {L1: {nois: -40}}}\n"), 2, "Did you mean `noise`?"),
    (steps("wait 1 s", rest="box: {lines: {L1: {noise: -400}}}\n"), 2, "between -120.0 and -20.0"),
    (steps("wait 1 s", rest="box: {lines: {L1: {disconnect: boom}}}\n"), 2, "disconnect is one of tone"),
    (steps("wait 1 s", rest="box: {lines: two}\n"), 2, "lines is a number"),
    (steps("wait 1 s", rest="box: {country: XX}\n"), 2, "must be one of CN, US"),
    (steps("wait 1 s", rest="box: {queues: {sales: {ring: 1 s}}}\n"), 2, "must be from 5 to 120"),
    (
        steps("wait 1 s", rest="box: {flow: {start: a, nodes: {b: {type: hangup}}}}\n"),
        2,
        "starts at node 'a'",
    ),
    (
        steps("wait 1 s", rest="box: {flow: {start: a, nodes: {a: {type: hangup, prompt: nix}}}}\n"),
        2,
        "there is no prompt 'nix'",
    ),
    (steps("wait 1 s", rest="box: {flow: nowhere.yaml}\n"), 2, "cannot read"),
    (steps("wait 1 s", rest="box: {numbers: {138: explodes}}\n"), 2, "answers after 5 s"),
    (steps("wait 1 s", rest="box: {settings: {companny: x}}\n"), 2, "Did you mean `company`?"),
    (steps("wait 1 s", rest="agents: {Wang: {phone: 909}}\n"), 2, "no telephone 909"),
    (steps("wait 1 s", rest="agents: [A, B, C]\n"), 2, "no telephone is left for agent C"),
    (steps("ready", who="agent Wong", rest="agents: [Wang]\n"), 4, "Did you mean `Wang`?"),
    (steps("wait 1 s") + "expect: {records: [{end_raeson: busy}]}\n", 5, "Did you mean `end_reason`?"),
    (steps("wait 1 s") + "expect:\n  records:\n    - {talk_s: 9..2}\n", 7, "first number is greater"),
    (steps("wait 1 s") + "expect:\n  records:\n    - {recording_has: [voice]}\n", 7, "write `person NAME`"),
    (steps("wait 1 s") + "expect:\n  records:\n    - {detail: /(/}\n", 7, "not a regular expression"),
    (steps("wait 1 s") + "expect:\n  records:\n    - talk_s: > 3\n", 7, "needs quotes"),
    (steps("wait 1 s") + "should fail:\n", 5, "needs the text"),
    (steps("wait 1 s") + "seed: seven\n", 5, "seed is a number"),
]


@pytest.mark.parametrize(("text", "line", "part"), BAD, ids=[part for _, _, part in BAD])
def test_bad_files_teach(text, line, part):
    with pytest.raises(StoryError) as caught:
        parse_story(text, HERE)
    assert part in str(caught.value)
    assert caught.value.line == line
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_utf8_names_its_line(tmp_path):
    from appliance.scenario.reading import read_story

    path = tmp_path / "latin.yaml"
    path.write_bytes(b"story: x\npeople: # caf\xe9\n")
    with pytest.raises(StoryError, match="line 2: the file is not UTF-8"):
        read_story(path)


@given(st.text(max_size=200))
def test_no_text_whatever_breaks_the_reader(text):
    try:
        parse_story(text, HERE)
    except StoryError as error:
        assert error.line >= 1


@given(st.text(alphabet="wait callhernog 1289\"':#{}[]-*", max_size=60))
def test_no_sentence_whatever_breaks_the_reader(sentence):
    try:
        parse_story(steps(sentence), HERE)
    except StoryError as error:
        assert error.line >= 1


def test_numbers_keep_their_zeros_and_names_their_script():
    story = parse_story(
        steps("call line 1 from 010-6655 4433 name “李雷”", "press star, 1 hash", "wait 0.5 s")
        + "expect: {records: [{caller_number: 01066554433}]}\n",
        HERE,
    )
    call, press, wait = story.people[0].steps
    assert (call.args["number"], call.args["text"]) == ("01066554433", "李雷")
    assert press.args["keys"] == "*1#"
    assert wait.args["time"] == 0.5
    assert story.wanted.records is not None
    assert story.wanted.records[0].fields["caller_number"].fits("01066554433")


def test_forgiving_spellings():
    story = parse_story(
        steps(
            "Call Line L2 from 139 1234 5678.", "at 2 s, Press 1", "say: vm-goodbye", "hear busy within 2 min"
        ),
        HERE,
    )
    call, press, say, hear = story.people[0].steps
    assert (call.args["line"], call.args["number"]) == ("L2", "13912345678")
    assert press.at_s == 2.0
    assert len(say.args["file"]) > 1000
    assert hear.within_s == 120.0


def test_the_third_person_is_as_good():
    story = parse_story(
        steps("calls line 1 from 139", "hears prompt greeting", "presses 1", "hangs up"), HERE
    )
    assert [step.verb.name for step in story.people[0].steps] == [
        "call",
        "hear_prompt",
        "press",
        "hang_up_outside",
    ]


def test_without_the_shipped_prompts_the_way_to_get_them_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr("appliance.scenario.flows.SHIPPED_PROMPTS", tmp_path)
    with pytest.raises(StoryError, match="run `make setup` once"):
        parse_story(steps("wait 1 s"), HERE)


def test_repeat_is_written_out():
    story = parse_story("story: x\npeople:\n  office:\n    - repeat 3 times:\n        - wait 1 s\n", HERE)
    assert [step.text for step in story.people[0].steps] == ["wait 1 s"] * 3
