"""What ends a session, and that everything which hangs on it ends too."""

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from webui.sessions import LONGEST_S, Sessions

from . import demo

NEW = "another calm long phrase"


def cookies(client):
    return client.get_cookie("zongji").value


def other_browser(app, cookie):
    client = app.test_client()
    client.set_cookie("zongji", cookie)
    return client


class Listener(threading.Thread):
    """A page that listens to its events until the stream ends by itself."""

    def __init__(self, app, cookie):
        super().__init__(daemon=True)
        self.client = other_browser(app, cookie)
        self.listening, self.status = threading.Event(), 0
        self.start()

    def run(self):
        answer = self.client.get("/events")
        self.status = answer.status_code
        for _piece in answer.response:
            self.listening.set()
        answer.close()


def test_a_copied_cookie_is_dead_after_the_sign_out(app, sign_in):
    client = sign_in("wang")
    thief = other_browser(app, cookies(client))
    assert thief.get("/calls/").status_code == 200
    client.post("/sign-out")
    assert thief.get("/calls/").status_code == 302
    assert thief.get("/api/calls").status_code == 401


@pytest.mark.parametrize("years", [-56, 0, 60])
def test_a_browser_with_another_clock_keeps_its_session_and_the_box_ends_it(app, sign_in, monkeypatch, years):
    real = time.time
    offset_s = years * 365.25 * 86400.0
    monkeypatch.setattr(time, "time", lambda: real() + offset_s)
    monkeypatch.setattr(app.extensions["sessions"], "clock", time.time)
    client = sign_in("wang")
    assert client.get("/calls/").status_code == 200
    told = client.get_cookie("zongji").expires
    assert told > datetime.now(UTC) + timedelta(days=400), "as long as any browser keeps one"
    offset_s += 13 * 3600.0
    assert client.get("/calls/").status_code == 302


def test_signing_out_ends_this_session_only(sign_in):
    here, there = sign_in("wang"), sign_in("wang")
    here.post("/sign-out")
    assert there.get("/calls/").status_code == 200


def sign_out(app, client, admin, store):
    other_browser(app, cookies(client)).post("/sign-out")


def disable(app, client, admin, store):
    user = store.users.by_username("boss")
    form = {"username": "boss", "role": "supervisor", "agent_number": "", "language": "en", "disabled": "on"}
    assert admin.post(f"/admin/users/{user['id']}", data=form).status_code == 302


def demote(app, client, admin, store):
    user = store.users.by_username("boss")
    form = {"username": "boss", "role": "agent", "agent_number": "1002", "language": "en"}
    assert admin.post(f"/admin/users/{user['id']}", data=form).status_code == 302


def delete(app, client, admin, store):
    admin.post(f"/admin/users/{store.users.by_username('boss')['id']}/delete")


def change_password(app, client, admin, store):
    elsewhere = app.test_client()
    elsewhere.post("/sign-in", data={"username": "boss", "password": demo.PASSWORD})
    form = {"old": demo.PASSWORD, "password": NEW, "again": NEW}
    assert elsewhere.post("/password", data=form).status_code == 302


@pytest.mark.parametrize("event", [sign_out, disable, demote, delete, change_password])
def test_the_stream_of_events_ends_with_the_rights(app, sign_in, box_store, event):
    client, admin = sign_in("boss"), sign_in("admin")
    listener = Listener(app, cookies(client))
    assert listener.listening.wait(30)
    event(app, client, admin, box_store)
    listener.join(30)
    assert not listener.is_alive()
    assert listener.status == 200


def test_a_session_ends_after_a_week(app, sign_in):
    now = [1.8e9]
    sessions = Sessions(lambda: now[0])
    cookie = {"sid": "a", "began": now[0]}
    now[0] += LONGEST_S - 1
    assert sessions.good(cookie)
    now[0] += 1
    assert not sessions.good(cookie)
    assert not sessions.good({}), "cookies from before this was counted"
    client = sign_in("wang")
    with client.session_transaction() as session:
        session["began"] -= LONGEST_S
    assert client.get("/calls/").status_code == 302
