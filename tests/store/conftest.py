import shutil

import pytest

from appliance.store import open_store


class Clock:
    """Wall clock in Unix seconds that moves when the test says so."""

    def __init__(self):
        self.now = 1_800_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "db" / "zongji.db"


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """A database as it is made on the first start; copied, because making one waits for the disk."""
    path = tmp_path_factory.mktemp("empty") / "zongji.db"
    open_store(path).close()
    return path


@pytest.fixture
def store(path, clock, empty_database):
    path.parent.mkdir()
    shutil.copy(empty_database, path)
    store = open_store(path, clock=clock, busy_timeout_s=0.2)
    yield store
    store.close()
