"""The `zongji` command refuses what cannot work in one line that says what to do, status 2."""

import configparser
import shlex
import signal
import subprocess

import numpy as np
import pytest
import soundfile

from appliance.cli.main import main
from appliance.cli.run import supervisor_config
from appliance.paths import Home
from tests.appliance.running_box import ZONGJI


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("run --port 99999", "from 1 to 65535"),
        ("web --port 0", "from 1 to 65535"),
        ("run --port http", "from 1 to 65535"),
        ("run --host no.such.host.invalid", "--host"),
        ("run --board foo:", "sim:"),
        ("run --board sim", "sim:"),
        ("run --board sim:lines=many", "a count"),
        ("claim-code", "start it"),
        ("nonsense", "run"),
    ],
)
def test_what_cannot_work_is_refused_at_once(words, says, tmp_path):
    """Nothing is started that a supervisor would start again for ever."""
    command = [ZONGJI, *words.split()]
    done = subprocess.run(
        command, env={"ZONGJI_HOME": str(tmp_path / "data")}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert says in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data/db/zongji.db").exists()


def test_no_command_shows_what_there_is(capsys):
    assert main([]) == 2
    assert "claim-code" in capsys.readouterr().err


def test_a_data_directory_may_have_any_name(tmp_path):
    home = Home(tmp_path / "50 % of the 'box'")
    config = configparser.ConfigParser(interpolation=configparser.BasicInterpolation())
    config.read_string(supervisor_config(home, "sim:lines=2,phones=2", "::1", 8080))
    assert config["supervisord"]["pidfile"] == str(home.run / "supervisord.pid")
    for name in ("engine", "control", "web", "welcome"):
        words = shlex.split(config[f"program:{name}"]["command"])
        assert words[words.index("--home") + 1] == str(home.root)
    assert "sim:lines=2,phones=2" in shlex.split(config["program:engine"]["command"])


def test_what_is_printed_to_a_program_that_has_ended_is_no_error(tmp_path):
    """`zongji dsp dtmf call.wav | head -1`: with the signal's own status, as other programs do."""
    recording = tmp_path / "call.wav"
    soundfile.write(recording, np.zeros(8000, np.int16), 8000)
    with subprocess.Popen(
        [ZONGJI, "dsp", "dtmf", str(recording)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as started:
        started.stdout.close()
        assert started.stderr.read() == ""
        assert started.wait(60) == 128 + signal.SIGPIPE
