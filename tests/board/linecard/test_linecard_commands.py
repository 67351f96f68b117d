"""`zongji board linetest` and `firmware` on the reference card, alone and through a running engine."""

import fcntl
import json
import random
import subprocess
import sys

import pytest

from appliance.cli.main import main
from appliance.paths import Home
from board.linecard import firmware, sound

SILENT_S = 60.0
"""The card is a thread of ours: on a busy machine its sound may be away longer than a card's may."""
PATIENT_ENGINE = (
    "import sys; from appliance.cli.main import main; from board.linecard import sound; "
    f"sound.SILENT_S = {SILENT_S}; sys.exit(main(sys.argv[1:]))"
)
IMAGE = random.Random(2).randbytes(1500)
NAME = "Reference line card"


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    monkeypatch.setattr(sound, "SILENT_S", SILENT_S)


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path / "home")
    made.create()
    return made


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "card.fw"
    path.write_bytes(firmware.write(NAME, "2.0.0", IMAGE))
    return path


@pytest.fixture
def address(rigs):
    rig = rigs(lines=1, phones=1)
    return f"linecard:serial={rig.control},pcm={rig.card.device.serial}"


@pytest.fixture
def running(home, address):
    """An engine that has the card."""
    plan = {
        "lines": [{"id": "L1", "port": "REF0001/0", "inbound": False}],
        "phones": [{"ext": "801", "port": "REF0001/1"}],
    }
    home.plan.write_text(json.dumps(plan))
    command = [sys.executable, "-c", PATIENT_ENGINE, "engine", "--home", str(home.root), "--board", address]
    engine = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert any("engine runs" in line for line in engine.stderr)
        yield engine
    finally:
        engine.terminate()
        engine.communicate(timeout=60)


def run(home, *argv):
    return main(["board", *argv, "--home", str(home.root)])


def test_a_line_test_without_an_engine(capsys, home, address):
    assert run(home, "linetest", "REF0001/1", "--board", address) == 0
    out = capsys.readouterr().out
    assert "pass  receiver off hook: no" in out and "ringers: unknown" in out
    assert "REF0001/1 has no fault that the card can tell." in out


def test_firmware_without_an_engine(capsys, home, address, file):
    assert run(home, "firmware", "REF0001", str(file), "--board", address) == 0
    said = capsys.readouterr()
    assert "REF0001 has started firmware 2.0.0" in said.out
    assert "sending 0 %" in said.err and "starting" in said.err


@pytest.mark.process
def test_a_running_engine_does_both(capsys, home, running, file):
    assert run(home, "linetest", "801", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["passed"] and len(found["results"]) == 6
    assert run(home, "firmware", "REF0001", str(file), "--json") == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["version"] == "2.0.0"
    assert json.loads(said.err.splitlines()[0])["percent"] >= 0
    assert run(home, "linetest", "REF0001/0") == 0, "the card is back at work"


@pytest.mark.process
def test_an_engine_that_has_the_card_refuses_what_cannot_be_done(capsys, home, running, tmp_path):
    assert run(home, "linetest", "REF0001/7") == 2
    assert "no socket REF0001/7" in capsys.readouterr().err
    other = tmp_path / "other.fw"
    other.write_bytes(firmware.write("Other card", "1", IMAGE))
    assert run(home, "firmware", "REF0001", str(other)) == 2
    assert "for Other card" in capsys.readouterr().err


@pytest.mark.parametrize("content, words", [(b"GIF89a", "no firmware file"), (None, "cannot be read")])
def test_a_file_that_is_none_is_refused_at_once(capsys, home, tmp_path, content, words):
    path = tmp_path / "x.fw"
    if content is not None:
        path.write_bytes(content)
    assert run(home, "firmware", "REF0001", str(path), "--board", "linecard:NONE") == 2
    assert words in capsys.readouterr().err


def test_a_card_that_tests_no_lines_says_so(capsys, home):
    assert run(home, "linetest", "sim/0", "--board", "sim:lines=1,phones=1") == 2
    assert "no card with the line card protocol" in capsys.readouterr().err


def test_a_card_that_an_engine_has_is_not_opened_beside_it(capsys, home, file):
    with (home.run / "engine.lock").open("w") as lock:
        lock.write("4711\n")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert run(home, "firmware", "REF0001", str(file), "--board", "linecard:REF0001") == 2
    assert "the engine (process 4711) has the cards" in capsys.readouterr().err
