"""What a lifted telephone says: only on the flashed box, only until it is claimed, always the present
address."""

import socket

import pytest

from appliance.control import claiming, system
from appliance.control.compile import compile_plan
from appliance.core.plan import Plan
from appliance.core.telephone import claim_prompts
from appliance.prompts.build import SENTENCES
from appliance.store import open_store


@pytest.fixture
def store(tmp_path):
    opened = open_store(tmp_path / "box.db")
    yield opened
    opened.close()


@pytest.fixture
def flashed(tmp_path, monkeypatch):
    """A flashed box: its daemon's socket is there; set what the network has."""
    socket = tmp_path / "system.sock"
    socket.touch()
    monkeypatch.setenv("ZONGJI_SYSTEM_SOCKET", str(socket))
    addresses = []
    answer = {"result": {"interfaces": [{"name": "eth0", "addresses": addresses}]}}
    monkeypatch.setattr(system, "ask", lambda *_: answer)
    return addresses


def test_in_development_nothing_is_said(store, tmp_path, monkeypatch):
    monkeypatch.setenv("ZONGJI_SYSTEM_SOCKET", str(tmp_path / "none.sock"))
    assert claiming.spoken(store) == {}


def test_code_and_address_until_the_box_is_claimed(store, flashed):
    assert claiming.spoken(store) == {"code": store.claim.code(), "address": ""}
    flashed += ["169.254.9.9/16", "fe80::1/64", "192.168.7.50/24"]
    assert claiming.spoken(store)["address"] == "192.168.7.50"
    store.users.create("admin", "hash", "admin")
    assert claiming.spoken(store) == {}


def test_a_daemon_that_hangs_does_not_hold_up_the_plan(store, tmp_path, monkeypatch):
    path = tmp_path / "system.sock"
    monkeypatch.setenv("ZONGJI_SYSTEM_SOCKET", str(path))
    monkeypatch.setattr(claiming, "NETWORK_S", 0.1)
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(path))
        deaf.listen()
        assert claiming.spoken(store) == {"code": store.claim.code(), "address": ""}


def test_the_plan_says_it_and_every_word_has_a_sentence(store):
    store.phones.put({"ext": "801", "port": "sim/0", "label": "x"})
    plan = Plan.from_dict(compile_plan(store, [], {"code": "0123456789", "address": "10.0.2.15"}).plan)
    text = SENTENCES.read_text(encoding="utf-8")
    for name in claim_prompts(plan.claim):
        assert f"\n{name} = " in text, name
