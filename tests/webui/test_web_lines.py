"""How well the lines work, on the health page."""

from __future__ import annotations

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
    "last_good_call": 1_770_000_000.0,
}


def test_figures_of_a_line_are_shown_and_what_is_unknown_is_a_dash(control, sign_in):
    control.status = {**control.status, "engine_health": {"lines": [LINE]}}
    page = sign_in("admin").get("/admin/").text
    row = page.split('id="h-lines"', 1)[1].split("<tbody>", 1)[1].split("</tbody>", 1)[0]
    cells = [cell.split("</td>")[0] for cell in row.split("<td>")[1:]]
    assert cells[:7] == ["L1", "48 V", "96 %", "1", "1.2 s", "-18 dBm0", "–"]
    assert cells[7] != "–"


def test_without_an_engine_there_is_no_such_table(control, sign_in):
    control.status = {**control.status, "engine_health": {}}
    assert 'id="h-lines"' not in sign_in("admin").get("/admin/").text


def test_every_state_of_a_line_has_a_word():
    from appliance.core.port import LineState

    shown = {state.value for state in LineState} - {"seized", "checking"}
    assert shown <= set(LINE_STATE)
