"""How well the lines work, on the health page."""

from __future__ import annotations

import pytest

from webui.labels import LINE_STATE

LINE = {
    "id": "L1",
    "port": "ZJ1/0",
    "volts": -47.6,
    "caller_id_percent": 96,
    "rings_before_caller_id": 1,
    "hang_up_latency_s": 1.24,
    "level_dbm0": -18.4,
    "hum_dbm0": None,
    "noise_dbm0": -61.7,
    "erl_db": 14.2,
    "tone_latency_s": 1.82,
    "tone": {
        "frequencies_hz": [450],
        "on_ms": 350.0,
        "off_ms": 350.0,
        "level_dbm0": -18.0,
        "confidence": 0.984,
        "ends": 6,
        "name": "busy",
        "state": "table",
    },
    "last_good_call": 1_770_000_000.0,
}


def test_figures_of_a_line_are_shown_and_what_is_unknown_is_a_dash(control, sign_in):
    control.status = {**control.status, "engine_health": {"lines": [LINE]}}
    page = sign_in("admin").get("/admin/").text
    row = page.split('id="h-lines"', 1)[1].split("<tbody>", 1)[1].split("</tbody>", 1)[0]
    cells = [cell.split("</td>")[0] for cell in row.split("<td>")[1:]]
    tone = "450 Hz 350/350 ms, 98 %, detected after 1.8 s"
    assert cells[:6] == ["L1", "48 V", "96 %", "1", "1.2 s", tone]
    assert cells[6:10] == ["-18 dBm0", "–", "-62 dBm0", "14 dB"]
    assert cells[10] != "–"


@pytest.mark.parametrize(
    ("tone", "latency_s", "english", "chinese"),
    [
        ({"state": "used", "frequencies_hz": [480, 620]}, 1.44,
         "480+620 Hz 350/350 ms, 98 %, detected after 1.4 s, learned on this line",
         "480+620 Hz 350/350 ms, 98 %, 1.4 秒后识别, 本线路学得"),
        ({"state": "learning", "confidence": 0.5, "ends": 1}, None,
         "450 Hz 350/350 ms, 50 %, still learning, calls so far: 1",
         "450 Hz 350/350 ms, 50 %, 学习中，已有通话 1 个"),
        ({"off_ms": 0.0}, None, "450 Hz continuous, 98 %", "450 Hz 连续音, 98 %"),
    ],
)  # fmt: skip
def test_the_disconnect_tone_is_told_in_both_languages(control, sign_in, tone, latency_s, english, chinese):
    row = {**LINE, "tone": {**LINE["tone"], **tone}, "tone_latency_s": latency_s}
    control.status = {**control.status, "engine_health": {"lines": [row]}}
    client = sign_in("admin")
    for language, words in (("en", english), ("zh_Hans", chinese)):
        client.post("/language", data={"language": language})
        assert f"<td>{words}</td>" in client.get("/admin/").text


def test_a_line_that_has_not_learned_yet_shows_a_dash(control, sign_in):
    row = {**LINE, "tone": None, "tone_latency_s": None}
    control.status = {**control.status, "engine_health": {"lines": [row]}}
    assert "<td>1.2 s</td><td>–</td>" in sign_in("admin").get("/admin/").text


def test_without_an_engine_there_is_no_such_table(control, sign_in):
    control.status = {**control.status, "engine_health": {}}
    assert 'id="h-lines"' not in sign_in("admin").get("/admin/").text


def test_every_state_of_a_line_has_a_word():
    from appliance.core.port import LineState

    shown = {state.value for state in LineState} - {"seized", "checking"}
    assert shown <= set(LINE_STATE)
