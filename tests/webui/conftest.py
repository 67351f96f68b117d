import re

import pytest

from appliance.paths import Home
from appliance.store import open_store
from webui import create_app
from webui.build_translations import compile_all

from . import demo
from .browser import chromium, open_as, pages
from .fakes import FakeControl, FakeOffice

__all__ = ["chromium", "open_as", "pages"]

compile_all()


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path / "box")
    made.create()
    return made


@pytest.fixture
def store(home):
    opened = open_store(home.database)
    yield opened
    opened.close()


@pytest.fixture
def control(home):
    double = FakeControl(home.control_socket, demo.live())
    double.status = demo.STATUS
    yield double
    double.close()


@pytest.fixture
def office(home):
    double = FakeOffice(home.office_socket)
    yield double
    double.close()


@pytest.fixture
def app(home, control):
    made = create_app(home, TESTING=True, WTF_CSRF_ENABLED=False, RATELIMIT_ENABLED=False)
    yield made
    made.extensions["box"].close()


@pytest.fixture
def box_store(store):
    """A box with settings and one user of each role (admin, boss, wang)."""
    demo.settings(store)
    demo.user(store, "admin", "admin")
    demo.user(store, "boss", "supervisor")
    demo.user(store, "wang", "agent", "1001")
    return store


@pytest.fixture
def sign_in(app, box_store):
    """sign_in("wang") -> a client that is signed in."""

    def enter(name):
        client = app.test_client()
        answer = client.post("/sign-in", data={"username": name, "password": demo.PASSWORD})
        assert answer.status_code == 302, answer.text
        return client

    return enter


def text_of(html):
    """What a reader sees of a page."""
    html = re.sub(r"(?s)<(script|style|svg)\b.*?</\1>", " ", html)
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())
