"""What core, control and store complain about reaches a Chinese reader in Chinese."""

import ast
import inspect
import re

import pytest

from appliance.control import compile as control_compile
from appliance.core import flow as core_flow
from appliance.core import plan as core_plan
from appliance.core import reader as core_reader
from appliance.core.flow import validate_flow
from appliance.core.plan import Plan, PlanError
from appliance.store import InvalidRow
from webui import sentences
from webui.flowtext import FlowTextError, read
from webui.sentences import in_words, toml_in_words

HAN = re.compile("[\u4e00-\u9fff]")


@pytest.fixture
def chinese(app):
    with app.test_request_context(headers={"Accept-Language": "zh-CN"}):
        yield


def is_chinese(sentence):
    """Chinese, and of English only what stands in quotes, is a name or a setting."""
    said = in_words(sentence)
    assert HAN.search(said), f"{sentence!r} is not translated"
    assert not re.search(r"\b(is|the|there|must|add|use|or|not)\b", re.sub(r"'[^']*'", "", said)), said
    return said


BROKEN_FLOWS = [
    None,
    {"id": "a", "start": "x", "nodes": {}},
    {"id": "", "start": "x", "nodes": {"x": 1}, "extra": 1},
    {"id": "a", "start": "gone", "nodes": {"x": {"type": "jump"}}},
    {"id": "a", "start": "x", "nodes": {"x": {"type": "menu", "bell": 1}}},
    {
        "id": "a",
        "start": "x",
        "nodes": {
            "x": {
                "type": "menu",
                "prompt": [],
                "timeout_s": 900,
                "repeats": 11,
                "keys": {"12": "x", "1": "nowhere"},
                "on_fail": 7,
            },
            "y": {"type": "extension", "ext": "999", "ring_s": True},
            "z": {"type": "menu", "prompt": "unheard", "timeout_s": 3, "keys": {}, "on_fail": "x"},
            "q": {"type": "queue", "queue": "none"},
            "g": {"type": "goto", "flow": "none"},
        },
    },
    {"id": "a", "start": "x", "nodes": {"x": {"type": "hangup"}, "lost": {"type": "hangup"}}},
    {
        "id": "a",
        "start": "x",
        "nodes": {
            "x": {"type": "play", "prompt": "p", "next": "y"},
            "y": {"type": "play", "prompt": "p", "next": "x"},
        },
    },
]


@pytest.mark.parametrize("flow", BROKEN_FLOWS)
def test_broken_flows(chinese, flow):
    problems = validate_flow(flow, {"p", "invalid_key", "no_key"}, {"sales"}, {"801"}, {"main"})
    assert problems
    for problem in problems:
        is_chinese(problem)


def test_a_place_and_a_problem_are_said_in_order(chinese):
    sentence = "flow main, node hello, next: there is no node 'gone'; add it or choose another one"
    assert in_words(sentence) == "菜单 main › 节点 hello › next：没有节点 'gone'，请添加或另选一个"


def broken_plan():
    line = {"id": "L1", "port": "sim/0", "extension": "899", "fallback_queue": "none"}
    return {
        "version": 1,
        "lines": [line, {**line, "flow": "none", "extension": "", "answer_after_rings": 3}],
        "phones": [{"ext": "801", "port": "sim/0"}, {"ext": "110", "port": "sim/2"}],
        "agents": [{"number": "801", "name": "Wang", "queues": ["none"]}],
        "queues": [],
        "flows": [],
        "blocked": [{"pattern": "12*3"}],
        "outside": {"prefix": "8"},
    }


MALFORMED_PLANS = [
    {"version": 7, "lines": 3, "phones": [{"ext": "8x1"}], "agents": ["me"], "bells": 1},
    {"version": "x", "country": "", "max_call_s": 1, "language": "fr", "outside": {"max_digits": 99}},
    {"version": 1, "recording": {"enabled": 1}, "queues": [{"id": "s", "ring_s": None, "weight": 1.5}]},
]


@pytest.mark.parametrize("plan", [broken_plan(), *MALFORMED_PLANS])
def test_broken_plans(chinese, plan):
    with pytest.raises(PlanError) as refused:
        Plan.from_dict(plan)
    for problem in refused.value.problems:
        is_chinese(problem)
        is_chinese(f"the call engine refuses the plan: {problem}")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda s: s.lines.put({"id": "x", "port": "", "answer_after_rings": "often", "inbound": "maybe"}),
        lambda s: s.lines.put({"id": "L2", "port": "sim/0"}),
        lambda s: s.lines.put({"id": "L2", "port": "sim/70", "answer_after_rings": 77}),
        lambda s: s.agents.put({"number": "1", "name": "x" * 999, "queues": 5}),
        lambda s: s.queues.put({"id": "a", "name": "\x01", "strategy": "loudest"}),
        lambda s: s.customers.add({}),
        lambda s: s.customers.add({"name": "x" * 9999, "vip": "perhaps", "phones": [{"number": "abc"}]}),
        lambda s: s.users.create("admin", "h", "admin"),
        lambda s: s.users.create("a b", "h", "king", "x"),
        lambda s: s.users.delete(1),
        lambda s: s.flows.put({"id": "main", "title": "x" * 200, "definition": {}}),
        lambda s: s.customers.get(2**70),
    ],
)
def test_rows_that_the_store_refuses(chinese, box_store, wrong):
    with pytest.raises(InvalidRow) as refused:
        wrong(box_store)
    for problem in refused.value.problems:
        is_chinese(problem)


def test_lines_of_a_sheet_that_are_left_out(sign_in, box_store):
    import io

    sheet = "姓名,电话,重要客户\n甲,abc,\n乙,13800138000,也许\n丙,13800138001,,,\n"
    client = sign_in("boss")
    client.post("/language", data={"language": "zh_Hans"})
    page = client.post("/customers/import", data={"file": (io.BytesIO(sheet.encode()), "c.csv")}).text
    assert "不是电话号码" in page
    assert "只能是“是”或“否”" in page
    assert "5 个单元格" in page


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("start = hello", "第 1 行：“=”后面的值不对，文字要加引号"),
        ('a = "x"\n[nodes\n', "第 2 行：方括号没有用“]”结束"),
        ('a = "x"\na = "y"', "在文字末尾：同一名称写了两次"),
        ('a = "x', "在文字末尾：文字没有用引号结束"),
        ("[n]\n[n]", "第 2 行：('n',) 写了两次"),
    ],
)
def test_text_that_is_no_toml(chinese, text, said):
    with pytest.raises(FlowTextError) as refused:
        read(text)
    assert toml_in_words(refused.value.problem) == said


def test_what_is_not_known_is_shown_as_it_came(chinese):
    assert in_words("the moon is in the way") == "the moon is in the way"


def patterns_in(module):
    """Every f-string of a module that looks like a complaint, with x where values stand."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.JoinedStr):
            text = "".join(p.value if isinstance(p, ast.Constant) else "\0" for p in node.values)
            if text.startswith("\0: ") and len(text) > 8:
                yield text[3:].replace("\0", "x")


COMPOSED = {
    "there is no x x; x",
    "x is missing; x",
    "is x; write the name of a x",
    "expected x, found x",
    "the reader does not know x",
}
"""Whose ends are made elsewhere (the tests above see these), or which only a programmer sees."""


@pytest.mark.parametrize("module", [core_flow, core_plan, core_reader, control_compile])
def test_no_new_complaint_is_forgotten(chinese, module):
    """A sentence added in another room needs its pattern here."""
    found = set(patterns_in(module))
    assert found
    assert {body for body in found - COMPOSED if sentences._said(sentences.BODIES, body) is None} == set()
