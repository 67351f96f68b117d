"""`zongji board`: at the bench, with and without a running engine."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from appliance.cli import board as board_command
from appliance.cli.main import main
from appliance.cli.porttest import Wiring, test_port
from appliance.paths import Home
from board import api
from board.sim import OfficeConfig, SimBoard

ZONGJI = str(Path(sys.executable).with_name("zongji"))


class Nobody:
    """Nobody is at the telephone."""

    def lift(self):
        pass

    press = speak = hang_up = lift


def office(**line):
    return SimBoard(OfficeConfig.from_dict({"lines": 1, "phones": 1, "line": line}))


def findings(board, port=0, country="CN", person=None):
    found = test_port(Wiring(board, board.ports[port]), country, person or Nobody(), lambda finding: None)
    return {one.what: one for one in found}


def failed(found):
    return {what for what, one in found.items() if one.passed is False}


# ----------------------------------------------------------------------- a line
def test_a_good_line_passes_and_is_measured_rightly():
    board = office(erl_db=14.0, loss_db=3.0, hum_dbm0=-60.0)
    found = findings(board)
    assert failed(found) == set()
    assert found["voltage"].value == 48
    assert found["dial_tone"].value == pytest.approx(-13, abs=1.5)
    assert found["hum"].value == pytest.approx(-60, abs=4)
    assert found["echo"].value == pytest.approx(14, abs=2)
    assert not board.office.fxo[0].off_hook, "put back on hook"


@pytest.mark.parametrize("erl_db", [8.0, 20.0])
def test_echo_is_measured_beside_dial_tone(erl_db):
    assert findings(office(erl_db=erl_db))["echo"].value == pytest.approx(erl_db, abs=2)


@pytest.mark.parametrize(
    "line, what, words",
    [
        ({"hum_dbm0": -25.0}, "hum", "earthing"),
        ({"erl_db": 3.0}, "echo", "impedance"),
        ({"loss_db": 22.0}, "dial_tone", "too weak"),
        ({"dial_tone_delay_ms": 9000}, "dial_tone", "no dial tone within 5 s"),
    ],
)
def test_what_is_wrong_with_a_line_is_named_and_nothing_else(line, what, words):
    board = office(**line)
    found = findings(board)
    assert failed(found) == {what}
    assert words in found[what].text
    assert not board.office.fxo[0].off_hook


def test_a_socket_without_a_line_is_not_taken():
    board = office()
    board.office.line(0).unplug()
    found = findings(board)
    assert set(found) == {"voltage"} and "no line is plugged in" in found["voltage"].text


def test_a_line_in_use_at_another_telephone_is_not_taken():
    board = office()
    board.office.line(0).lift_parallel()
    found = findings(board)
    assert set(found) == {"voltage"} and "another telephone" in found["voltage"].text


def test_a_bad_contact_is_seen_by_its_current():
    board = office()
    board.office.line(0).break_contact()
    found = findings(board)
    assert failed(found) == {"loop", "dial_tone"}
    assert "check cable and contacts" in found["loop"].text


def test_the_dial_tone_of_another_country_is_not_taken_for_ours():
    found = findings(SimBoard(OfficeConfig.from_dict({"lines": 1, "phones": 1, "country": "US"})))
    assert failed(found) == {"dial_tone"} and "the country (CN) right?" in found["dial_tone"].text


def test_a_card_that_measures_nothing_is_not_said_to_be_good():
    board = office()
    board.measure = lambda port: api.LineMeasure()
    found = findings(board)
    assert found["voltage"].passed is None and found["loop"].passed is None
    assert failed(found) == set()


def test_the_line_is_released_when_the_test_is_broken_off():
    board = office()
    wiring = Wiring(board, board.ports[0])

    def interrupt(finding):
        if finding.what == "dial_tone":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        test_port(wiring, "CN", Nobody(), interrupt)
    assert not board.office.fxo[0].off_hook


# ------------------------------------------------------------------ a telephone
class Silent(Nobody):
    """Lifts, and then does nothing."""

    def __init__(self, phone):
        self.phone = phone

    def lift(self):
        self.phone.lift()


def test_a_telephone_that_nobody_lifts():
    board = office()
    found = findings(board, 1)
    assert set(found) == {"display", "ring"} and "nobody answered" in found["ring"].text
    assert found["display"].passed is None
    shown = board.office.phone(1).display.shown
    assert (shown.number, shown.name) == ("12345678", "TEST")
    assert not board.office.phone(1).ringing


@pytest.mark.parametrize("country", ["CN", "GB", "DK"])
def test_a_telephone_that_is_lifted_before_it_is_asked_for(country):
    board = office()
    phone, read, reads = board.office.phone(1), board.read, []

    def impatient():
        reads.append(read())
        if len(reads) == 120:
            phone.lift()
        return reads[-1]

    board.read = impatient
    found = findings(board, 1, country, Silent(phone))
    assert found["ring"].passed and failed(found) == {"keys", "loopback", "on_hook"}


def test_a_telephone_that_cannot_be_rung():
    board = office()
    board.office.vanish(1)
    found = findings(board, 1)
    assert failed(found) == {"ring"} and "cannot be rung: the port is gone" in found["ring"].text


def test_a_telephone_without_voice_or_keys_is_told_so_and_hanging_up_is_waited_for():
    board = office()
    found = findings(board, 1, person=Silent(board.office.phone(1)))
    assert failed(found) == {"keys", "loopback", "on_hook"}


def test_the_voice_comes_back_half_a_second_later():
    board = office()
    phone = board.office.phone(1)

    class Speaker(Silent):
        def press(self):
            phone.press("123")

        def speak(self):
            self.said_at = board.office.clock
            rng = np.random.default_rng(3)
            phone.say((3000 * rng.standard_normal(8000)).clip(-9000, 9000).astype(np.int16))

        def hang_up(self):
            self.ear = phone.heard(4.0)
            phone.hang_up()

    speaker = Speaker(phone)
    found = findings(board, 1, person=speaker)
    assert failed(found) == set()
    loud = np.abs(speaker.ear.astype(float)) > 800
    first = int(np.flatnonzero(loud)[0]) / 8000
    assert 0.4 < first < 0.7


# ---------------------------------------------------------------------- commands
@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path)
    home.create()
    return home


def test_test_prints_sentences_and_a_verdict(capsys, home):
    assert main(["board", "test", "sim/0", "--home", str(home.root)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[-1] == "sim/0 passed."
    assert all(line.startswith("pass  ") for line in out[:-1])


def test_test_answers_in_json_and_its_status_tells_failure(capsys, home):
    status = main(["board", "test", "sim/0", "--country", "US", "--json", "--home", str(home.root)])
    result = json.loads(capsys.readouterr().out)
    assert status == 1 and result["passed"] is False
    assert {one["what"] for one in result["findings"] if one["passed"] is False} == {"dial_tone"}


@pytest.mark.parametrize(
    "argv, words",
    [
        (["test", "sim/77"], "no port sim/77; there are sim/0"),
        (["test", "seven"], "'seven' is no port"),
        (["test", "ZJ9/0"], "no card 'ZJ9' is plugged in"),
        (["test", "sim/0", "--country", "XX"], "XX"),
        (["watch", "--seconds", "0", "--board", "sim:", "--board", "sim:"], "choose one"),
        (["test", "x/0", "--board", "linecard:NONE"], "no line card 'NONE' is plugged in"),
    ],
)
def test_mistakes_get_one_sentence(capsys, home, argv, words):
    assert main(["board", *argv, "--home", str(home.root)]) == 2
    assert words in capsys.readouterr().err


def test_a_card_that_the_engine_has_is_not_tested(capsys, home):
    with (home.run / "engine.lock").open("w") as lock:
        lock.write("4711\n")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        argv = ["board", "test", "ZJ1/0", "--board", "linecard:ZJ1", "--home", str(home.root)]
        assert main(argv) == 2
    assert "the engine (process 4711) has the cards: stop it" in capsys.readouterr().err


def test_list_without_an_engine_opens_the_card(capsys, home):
    assert main(["board", "list", "--json", "--board", "sim:lines=1,phones=1", "--home", str(home.root)]) == 0
    [card] = json.loads(capsys.readouterr().out)["cards"]
    assert [(p["port"], p["kind"], p["state"]) for p in card["ports"]] == [
        ("sim/0", "FXO", "idle"),
        ("sim/1", "FXS", "on hook"),
    ]
    assert card["ports"][0]["volts"] == 48


def test_list_shows_how_a_card_of_the_engine_keeps_time():
    clock = {"leads": False, "drift_ppm": -41.0, "fill_ms": 43.1, "slips": 2, "slipped_samples": 320}
    clock |= {
        "underruns": 0,
        "play_underruns": 0,
        "lost_samples": 0,
        "device": {"overruns": 1, "sessions": 1},
    }
    health = {"shelf": [{"id": "a", "state": "in use", "firmware": ""}], "cards": [{"card": "a", **clock}]}
    text = board_command._listing(board_command._from_engine(health))
    assert "clock: follows, -41.0 ppm, 43.1 ms queued; slips 2, card's overruns 1" in text.splitlines()[1]


def test_list_names_what_a_card_misses(capsys, home):
    assert main(["board", "list", "--board", "linecard:NONE", "--home", str(home.root)]) == 0
    out = capsys.readouterr().out
    assert "linecard:NONE  problem" in out and "no line card 'NONE' is plugged in" in out


def test_watch_without_an_engine_shows_levels(capsys, home):
    argv = ["board", "watch", "--json", "--seconds", "0.1", "--board", "sim:lines=1,phones=1"]
    assert main([*argv, "--home", str(home.root)]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["port"] for row in rows if row["kind"] == "level"} == {"sim/0", "sim/1"}


@pytest.mark.process
def test_list_and_watch_ask_a_running_engine(capsys, home):
    plan = {
        "lines": [{"id": "L1", "port": "sim/0", "inbound": False}],
        "phones": [{"ext": "801", "port": "sim/1"}],
    }
    home.plan.write_text(json.dumps(plan))
    command = [ZONGJI, "engine", "--home", str(home.root), "--board", "sim:lines=1,phones=1"]
    engine = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert any("engine runs" in line for line in engine.stderr)
        assert main(["board", "list", "--json", "--home", str(home.root)]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["asked"] == "engine"
        [card] = [card for card in found["cards"] if card["card"] == "sim"]
        assert card["state"] == "in use" and card["clock"]["leads"] is True
        assert [(p["port"], p["name"]) for p in card["ports"]] == [("sim/0", "L1"), ("sim/1", "801")]
        rows = watched(home, lambda rows: {("state", "L1"), ("line", "L1")} <= rows)
        assert {"port": "L1", "state": "idle"}.items() <= next(
            row for row in rows if row["kind"] == "state" and row["port"] == "L1"
        ).items()
        assert main(["board", "watch", "--seconds", "0", "--home", str(home.root)]) == 0
    finally:
        engine.terminate()
        engine.communicate(timeout=60)


def watched(home, wanted):
    """What `zongji board watch` tells of the engine, until wanted({(kind, name), ...})."""
    command = [ZONGJI, "board", "watch", "--json", "--home", str(home.root)]
    rows, names = [], set()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watch:
        guard = threading.Timer(60.0, watch.kill)
        guard.start()
        try:
            while not wanted(names):
                line = watch.stdout.readline()
                assert line, f"it ended, or told nothing more: {rows}"
                rows.append(json.loads(line))
                names.add((rows[-1]["kind"], rows[-1].get("id") or rows[-1].get("port")))
        finally:
            guard.cancel()
            watch.kill()
    return rows
