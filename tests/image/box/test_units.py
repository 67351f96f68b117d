"""The files that are laid over Debian: units name programs that exist, and the services are fenced in."""

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest

from image.box import bootstate, confirm

ROOTFS = Path(__file__).resolve().parents[3] / "image" / "rootfs"
UNITS = ROOTFS / "usr/lib/systemd/system"
SERVICES = sorted(path.name for path in UNITS.glob("zongji-*.service"))
FENCED = ("zongji-engine.service", "zongji-control.service", "zongji-web.service")


def unit(name):
    """Sections of a unit; settings that are there several times are joined."""
    found = {}
    section = None
    for line in (UNITS / name).read_text().splitlines():
        if line.startswith("["):
            section = found.setdefault(line.strip("[]"), {})
        elif "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            section[key] = f"{section[key]} {value}" if key in section else value
    return found


def test_a_version_that_never_gets_healthy_is_left_within_ten_minutes():
    """Promise 3: three starts, each with what it may wait, the slowest start measured, and the way down."""
    to_ready_s, down_s = 45.0, 15.0
    assert bootstate.FULL_TRIES * (to_ready_s + confirm.WAIT_S + down_s) <= 600


@pytest.mark.parametrize("name", SERVICES)
def test_a_unit_starts_a_program_that_exists(name):
    text = (UNITS / name).read_text()
    for module in re.findall(r"python -m ([\w.]+)", text):
        assert importlib.util.find_spec(module), f"{name} starts {module}"


def test_the_system_daemon_starts_when_this_start_has_been_told():
    assert "zongji-bootstate.service" in unit("zongji-system.service")["Unit"]["After"].split()


def test_the_target_wants_units_that_exist():
    wanted = re.findall(r"^Wants=(.*)$", (UNITS / "zongji.target").read_text(), re.M)
    ours = [name for line in wanted for name in line.split() if name.startswith("zongji")]
    assert {"zongji-engine.service", "zongji-control.service", "zongji-web.service"} <= set(ours)
    for name in ours:
        assert (UNITS / re.sub(r"@.*\.", "@.", name)).exists(), name


@pytest.mark.parametrize("name", [*FENCED, "zongji-system.service"])
def test_a_hung_service_is_found_in_time_to_be_back_within_10_s(name):
    service = unit(name)["Service"]
    assert service["Type"] == "notify" and float(service["WatchdogSec"]) <= 6
    assert service["Restart"] == "always"


@pytest.mark.parametrize("name", FENCED)
def test_services_have_users_of_their_own_and_no_way_to_more(name):
    service = unit(name)["Service"]
    assert service["User"] == name.removesuffix(".service") and service["Group"] == "zongji"
    assert service["NoNewPrivileges"] == "yes" and service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == "" and "MemoryMax" in service
    engine = name == "zongji-engine.service"
    assert (service["PrivateDevices"] == "no") == engine, "only the engine has devices"
    assert ("LimitRTPRIO" in service) == engine and (service["RestrictRealtime"] == "yes") == (not engine)


def test_an_engine_that_cannot_stay_up_ends_in_a_reboot():
    assert unit("zongji-engine.service")["Unit"]["StartLimitAction"] == "reboot"


def test_what_the_system_daemon_waits_for_is_not_ended_before_it():
    assert unit("zongji-system.service")["Service"]["KillMode"] == "mixed"


def test_nothing_is_listened_on_but_what_the_firewall_lets_in():
    ports = {
        line
        for path in UNITS.glob("*.socket")
        for line in re.findall(r"^ListenStream=(.*)$", path.read_text(), re.M)
    }
    assert ports == {"80", "443"}


def test_the_firewall_is_one_that_nft_takes():
    # In a network of its own, so that the machine that tests keeps its rules.
    words = ["unshare", "--net", "--map-root-user", "nft", "-c", "-f", str(ROOTFS / "etc/nftables.conf")]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text = (ROOTFS / "etc/nftables.conf").read_text()
    assert "policy drop" in text and "dport 22" not in text


def test_sshd_takes_its_settings_and_no_password():
    settings = {}
    for line in (ROOTFS / "usr/lib/zongji/sshd_config").read_text().splitlines():
        key, _, value = line.partition(" ")
        settings[key] = value
    assert settings["PasswordAuthentication"] == "no" and settings["PermitRootLogin"] == "prohibit-password"
    assert settings["KbdInteractiveAuthentication"] == "no" and settings["AllowUsers"] == "root"


def test_there_is_no_login_on_any_terminal():
    for name in ("getty@.service", "serial-getty@.service", "console-getty.service", "autovt@.service"):
        assert (ROOTFS / "etc/systemd/system" / name).readlink() == Path("/dev/null")


@pytest.mark.parametrize(
    ("uid", "words", "given", "said"),
    [
        (0, "backup key", {}, "setpriv --reuid=902 --regid=900 --clear-groups PROGRAM backup key"),
        (0, "support --out /tmp", {}, "support --out /tmp"),
        (902, "claim-code", {}, "claim-code"),
        (0, "", {}, "setpriv --reuid=902 --regid=900 --clear-groups PROGRAM"),
        (902, "claim-code", {"ZONGJI_HOME": "/x", "ZONGJI_CONFIG": "/y"}, "claim-code"),
    ],
)
def test_the_command_works_on_the_boxs_data_as_their_owner(tmp_path, uid, words, given, said):
    users = (ROOTFS / "usr/lib/sysusers.d/zongji.conf").read_text()
    assert "u zongji-control 902:900 " in users
    command, program = ROOTFS / "usr/bin/zongji", tmp_path / "program"
    assert command.stat().st_mode & 0o111 == 0o111
    text = command.read_text().replace("/usr/lib/zongji/venv/bin/zongji", str(program))
    for path, does in (
        (program, 'echo "$ZONGJI_HOME $ZONGJI_CONFIG|$*"'),
        (tmp_path / "setpriv", 'echo "$ZONGJI_HOME $ZONGJI_CONFIG|setpriv $*"'),
        (tmp_path / "id", f"echo {uid}"),
    ):
        path.write_text(f"#!/bin/sh\n{does}\n")
        path.chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", "-c", text, "zongji", *words.split()],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", **given},
        capture_output=True,
        text=True,
        check=True,
    )
    where = " ".join(given.values()) or "/data/zongji /config"
    assert done.stdout.rstrip("\n") == f"{where}|{said.replace('PROGRAM', str(program))}"


def test_services_and_recovery_do_not_start_the_command_for_people():
    assert not [name for name in SERVICES if "/usr/bin/zongji" in (UNITS / name).read_text()]
