"""Cards in control: what the engine tells of them, and work on them that pages ask for."""

import pytest


def test_hardware_is_what_the_engine_told_with_the_newest_notice_first(desk):
    desk.hear({"event": "health", "data": {"sockets": [], "shelf": [{"id": "a"}]}})
    for code in ("card_lost", "card_back"):
        desk.hear({"event": "notice", "data": {"level": "info", "code": code, "data": {}, "at": 5.0}})
    found = desk.request("hardware")["result"]
    assert found["engine"]["up"] and found["health"]["shelf"] == [{"id": "a"}]
    assert [notice["code"] for notice in found["notices"]] == ["card_back", "card_lost"]
    desk.lose_engine()
    found = desk.request("hardware")["result"]
    assert found["health"] == {} and not found["engine"]["up"] and len(found["notices"]) == 2


def test_work_is_begun_by_the_engine_and_followed_by_its_ref(desk):
    answer = desk.request("line_test", port="ZJ1/0")["result"]
    assert desk.commands("line_test") == [{"cmd": "line_test", "ref": answer["ref"], "port": "ZJ1/0"}]
    other = desk.request("firmware", card="ZJ1", data="QUJD", force=True)["result"]
    assert other["ref"] != answer["ref"]
    [command] = desk.commands("firmware")
    assert (command["card"], command["data"], command["force"]) == ("ZJ1", "QUJD", True)
    desk.hear({"event": "card_work", "data": {"ref": other["ref"], "state": "running"}})
    assert desk.topics("card_work")[-1]["ref"] == other["ref"]


@pytest.mark.parametrize(
    "method, params", [("line_test", {}), ("firmware", {"card": "a"}), ("line_test", {"port": 1})]
)
def test_work_that_makes_no_sense_or_has_no_engine_is_refused(desk, method, params):
    assert desk.request(method, **params)["error"]["code"] == "bad_request"
    desk.lose_engine()
    assert desk.request("line_test", port="ZJ1/0")["error"]["code"] == "engine_away"
