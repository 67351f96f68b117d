"""Small parts with rules of their own."""

import os
import stat
import threading
import time
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webui import flowtext, formats, paging, secret
from webui.flowtext import FlowTextError

NAME = st.text(min_size=1, max_size=12).filter(lambda s: s.isprintable())
VALUE = st.one_of(
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=30).filter(lambda s: max(s, default="") < "\ud800" or min(s) > "\udfff"),
    st.lists(st.text('ab "\\\n\t\x7f总', max_size=5), max_size=3),
)
NODE = st.dictionaries(NAME, st.one_of(VALUE, st.dictionaries(NAME, VALUE, max_size=3)), max_size=4)


@given(st.text(max_size=10).filter(str.isprintable), st.dictionaries(NAME, NODE, max_size=5))
def test_a_menu_survives_being_written_and_read(start, nodes):
    definition = {"start": start, "nodes": nodes}
    assert flowtext.read(flowtext.write(definition)) == definition


def test_a_mistake_in_the_text_names_its_line():
    with pytest.raises(FlowTextError) as caught:
        flowtext.read('start = "a"\n\n[nodes.a\n')
    assert caught.value.line == 3


def test_the_outline_begins_with_the_start_and_shows_all_ways():
    rows = flowtext.outline(
        {
            "start": "b",
            "nodes": {"a": {"type": "hangup"}, "b": {"type": "menu", "keys": {"1": "a"}, "on_fail": "a"}},
        }
    )
    assert [r["name"] for r in rows] == ["b", "a"]
    assert rows[0]["ways"] == [("1", "a"), ("on_fail", "a")]


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (7.6, "0:08"), (59.7, "1:00"), (3600, "1:00:00")])
def test_lengths(seconds, text):
    assert formats.length(seconds) == text


@pytest.fixture
def shanghai():
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Asia/Shanghai"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


def test_days_are_local(shanghai):
    assert formats.full_time(1795276800.0) == "2026-11-22 00:00:00"
    assert formats.day_start("2026-11-22") == 1795276800.0
    assert formats.day_end("2026-11-22") == 1795276800.0 + 86400
    assert formats.day_start("2026-02-30") is None and formats.day_end("x") is None


def test_a_day_with_a_clock_change_is_not_24_hours():
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Europe/Berlin"
    time.tzset()
    try:
        assert formats.day_end("2026-10-25") - formats.day_start("2026-10-25") == 25 * 3600
    finally:
        os.environ.pop("TZ")
        if before is not None:
            os.environ["TZ"] = before
        time.tzset()
    assert datetime.fromtimestamp(0).year in (1969, 1970)


def test_lists_are_sorted_as_people_do(app):
    rows = [{"id": x} for x in ("L10", "L2", "L1")]
    with app.test_request_context("/?sort=id"):
        assert [r["id"] for r in paging.of_list(rows, "", ("id",), ("id",), "id").rows] == ["L1", "L2", "L10"]
    with app.test_request_context("/?sort=id&order=desc&page=99"):
        page = paging.of_list(rows, "l1", ("id",), ("id",), "id")
        assert [r["id"] for r in page.rows] == ["L10", "L1"]
        assert (page.number, page.pages) == (1, 1)


@pytest.mark.parametrize("query", ["page=0", "page=-3", "page=x", "page=99999999999999999999"])
def test_odd_page_numbers_do_no_harm(app, query):
    with app.test_request_context(f"/?{query}"):
        assert paging.wanted_page() >= 1


def test_two_starts_at_once_share_one_key(tmp_path):
    path = tmp_path / "key"
    keys = []
    threads = [threading.Thread(target=lambda: keys.append(secret.load_or_make(path))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(keys)) == 1 and len(keys) == 8
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
