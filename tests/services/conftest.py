"""A box with customers, calls, prompts and recordings, and its key."""

import shutil

import pytest

from appliance.paths import Home
from appliance.services import backup, backup_key
from appliance.store import open_store

NOW = 1_800_000_000.0


def record(call, **more):
    base = {"id": call, "direction": "in", "line": "L1", "caller_number": "13800138000"}
    base |= {"started_at": NOW - 60.0, "ended_at": NOW - 10.0, "end_reason": "caller_hangup"}
    return base | {"recording": f"2027/01/15/{call}.wav"} | more


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    path = tmp_path_factory.mktemp("empty") / "zongji.db"
    open_store(path).close()
    return path


@pytest.fixture
def make_home(tmp_path, empty_database):
    def make(name):
        home = Home(tmp_path / name)
        home.create()
        shutil.copy(empty_database, home.database)
        return home

    return make


@pytest.fixture
def home(make_home):
    home = make_home("box")
    store = open_store(home.database)
    store.settings.set("company", "Blue Bay", "me")
    store.customers.add({"name": "Li Lei", "phones": [{"number": "13800138000", "label": ""}]})
    store.users.create("boss", "hash", "admin")
    for call in ("c1", "c2"):
        store.calls.save(record(call))
        path = home.recordings / "2027" / "01" / "15" / f"{call}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(call.encode() * 30_000)
    store.close()
    (home.prompts / "zh").mkdir(parents=True)
    (home.prompts / "zh" / "greeting.wav").write_bytes(b"own greeting")
    return home


@pytest.fixture
def key(home):
    return backup_key.load_or_make(home)


@pytest.fixture
def make(home, key):
    """make(recordings=True, …) -> a backup of the box."""

    def make(**more):
        return backup.make(home, key, **({"now": NOW, "version": "0.1.0", "box": "box-1"} | more))

    return make
