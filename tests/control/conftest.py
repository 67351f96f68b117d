"""Fixtures: a box's control on a virtual clock, its database, a fake engine, the real process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from control_bench import FLOW, PATIENCE_S, SOCKETS, Desk, FakeEngine

from appliance.control.control import Control
from appliance.paths import Home
from appliance.store import open_store

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """A database as it is made on the first start; copied, because making one waits for the disk."""
    path = tmp_path_factory.mktemp("empty") / "zongji.db"
    open_store(path).close()
    return path


@pytest.fixture
def home(tmp_path, empty_database):
    home = Home(tmp_path / "box")
    home.create()
    shutil.copy(empty_database, home.database)
    return home


@pytest.fixture
def flows(tmp_path):
    folder = tmp_path / "flows"
    folder.mkdir()
    (folder / "main.toml").write_text(FLOW, encoding="utf-8")
    return folder


@pytest.fixture
def prompts(tmp_path):
    folder = tmp_path / "shipped"
    for name in ("greeting", "music", "please_wait", "sorry_busy"):
        path = folder / "zh" / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return folder


@pytest.fixture
def make_desk(home, flows, prompts):
    made = []

    def make(**more):
        control = Control(
            home,
            wall_clock=lambda: 1_800_000_000.0,
            shipped_prompts=prompts,
            shipped_flows=flows,
            open_store=more.pop("open_store", lambda path: open_store(path, busy_timeout_s=0.05)),
        )
        desk = Desk(control, home, **more)
        made.append(desk)
        desk.carry_out(control.tick(0.0))
        return desk

    yield make
    for desk in made:
        desk.control.close()


@pytest.fixture
def desk(make_desk):
    """A box with an engine, seeded from its sockets."""
    desk = make_desk()
    desk.connect()
    desk.hear({"event": "health", "data": {"sockets": SOCKETS}})
    assert desk.commands("plan"), desk.request("status")
    return desk


@pytest.fixture
def store(home):
    """The box's database as another process opens it."""
    store = open_store(home.database)
    yield store
    store.close()


@pytest.fixture
def engine(home):
    engine = FakeEngine(home.engine_socket)
    yield engine
    engine.close()


@pytest.fixture
def start_control(home):
    """Starts `zongji control`; ends what is still running."""
    running = []

    def start():
        process = subprocess.Popen(
            [Path(sys.executable).with_name("zongji"), "control", "--home", home.root],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        )
        running.append(process)
        return process

    yield start
    for process in running:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.wait(PATIENCE_S)
        process.stdout.close()
