"""Remote support: only with a proper public key, only for the hours allowed, whatever is started anew
meanwhile."""

import subprocess
import time

import pytest

from image.box import files
from image.box.problem import Problem
from image.box.system import ssh
from image.box.system.ssh import Ssh


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    made = {}
    for name, options in {
        "ed25519": ("-t", "ed25519"),
        "rsa4096": ("-t", "rsa", "-b", "4096"),
        "rsa2048": ("-t", "rsa", "-b", "2048"),
    }.items():
        subprocess.run(
            ["ssh-keygen", "-q", *options, "-N", "", "-C", f"me {name}", "-f", str(folder / name)], check=True
        )
        made[name] = (folder / f"{name}.pub").read_text()
    made["private"] = (folder / "ed25519").read_text()
    return made


@pytest.fixture
def support(places, programs, clock):
    made = Ssh(places, clock)
    made.start()
    programs.forget()
    return made


def opened(programs):
    return [call for call in programs.calls if "add rule" in call or "restart" in call]


def is_closed(places, programs):
    closing = ["nft flush chain inet zongji support", "systemctl stop zongji-ssh.service"]
    return programs.calls[-2:] == closing and not (places.run / "ssh" / "authorized_keys").exists()


@pytest.mark.parametrize("name", ["ed25519", "rsa4096"])
def test_opened_with_a_key_and_closed_by_itself(support, places, programs, clock, keys, name):
    state = support.enable({"hours": 2, "key": keys[name], "by": "admin"})
    assert state["open"] and state["left_s"] == 7200 and state["comment"] == f"me {name}"
    assert opened(programs) == [
        "nft add rule inet zongji support tcp dport 22 accept",
        "systemctl restart zongji-ssh.service",
    ]
    line = (places.run / "ssh" / "authorized_keys").read_text()
    assert line.startswith("restrict,pty ssh-") and line.count("\n") == 1
    assert (places.run / "ssh" / "authorized_keys").stat().st_mode & 0o077 == 0
    clock.now += 7199
    support.tick()
    assert support.status()["open"]
    clock.now += 1
    support.tick()
    assert support.status() == {"open": False} and is_closed(places, programs)
    what = [one["what"] for one in files.read_lines(places.system / "support-access.jsonl")]
    assert what == ["opened", "expired"]


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("rsa2048", "weak_key"),
        ("private", "private_key"),
        ("", "bad_key"),
        ("ssh-ed25519 AAAA", "bad_key"),
        ("ssh-dss AAAAB3NzaC1kc3MAAACBAP", "bad_key"),
        ("two", "bad_key"),
        ("options", "bad_key"),
        ("cut", "bad_key"),
    ],
)
def test_other_keys_are_refused_and_nothing_is_opened(support, places, programs, keys, key, code):
    text = {
        "two": keys["ed25519"] + keys["rsa4096"],
        "options": 'command="sh" ' + keys["ed25519"],
        "cut": keys["ed25519"][:60],
    }.get(key, keys.get(key, key))
    with pytest.raises(Problem) as told:
        support.enable({"hours": 1, "key": text})
    assert told.value.code == code
    assert not opened(programs) and support.status() == {"open": False}


@pytest.mark.parametrize("hours", [0, -1, 73, True, "2", None, float("nan"), float("inf")])
def test_hours_have_bounds(support, keys, hours):
    with pytest.raises(Problem):
        support.enable({"hours": hours, "key": keys["ed25519"]})
    assert support.status() == {"open": False}


def test_support_that_was_taken_back_stays_closed_where_its_permission_cannot_be_removed(
    support, places, clock, keys, monkeypatch
):
    support.enable({"hours": 24, "key": keys["ed25519"]})

    def read_only(path):
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as damaged:
        damaged.setattr(ssh.files, "remove", read_only)
        with pytest.raises(OSError, match="Read-only"):
            support.disable({})
    assert support.status() == {"open": False}
    again = Ssh(places, clock)
    again.start()
    assert again.status() == {"open": False} and not (places.ssh / "permission.json").exists()
    again.enable({"hours": 24, "key": keys["ed25519"]})
    third = Ssh(places, clock)
    third.start()
    assert third.status()["open"]


def test_support_that_was_taken_back_stays_closed_where_nothing_can_be_noted(
    support, places, clock, keys, monkeypatch
):
    support.enable({"hours": 24, "key": keys["ed25519"]})

    def full(path, line):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as damaged:
        damaged.setattr(ssh.files, "append_json", full)
        with pytest.raises(OSError, match="No space"):
            support.disable({})
    assert support.status() == {"open": False}
    again = Ssh(places, clock)
    again.start()
    assert again.status() == {"open": False}


def test_support_goes_on_by_the_clock_where_its_story_cannot_be_read(
    support, places, clock, keys, monkeypatch
):
    support.enable({"hours": 1, "key": keys["ed25519"]})

    def broken(path):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(ssh.files, "read_lines", broken)
    again = Ssh(places, clock)
    again.start()
    assert again.status()["open"]
    clock.now += 3600
    with pytest.raises(OSError, match="Input/output"):  # told in the log
        again.tick()
    assert again.status() == {"open": False}


def test_a_restart_of_the_daemon_goes_on_with_what_is_left(
    support, places, programs, clock, keys, monkeypatch
):
    monkeypatch.setattr(ssh.time, "time", lambda: 1.8e9)
    support.enable({"hours": 1, "key": keys["ed25519"]})
    clock.now += 1800
    support.tick()
    again = Ssh(places, clock)
    again.start()
    assert again.status()["open"] and abs(again.status()["left_s"] - 1800) <= 1


def test_a_reboot_goes_on_with_what_is_left_and_counts_the_time_it_was_off(
    support, places, programs, clock, keys, monkeypatch
):
    off_s, before = 3600, 1.8e9
    monkeypatch.setattr(ssh.time, "time", lambda: before)
    support.enable({"hours": 2, "key": keys["ed25519"]})
    clock.now += 600
    support.stop()
    monkeypatch.setattr(ssh.time, "time", lambda: before + off_s)
    clock.now = 20.0  # the time since boot begins anew
    again = Ssh(places, clock)
    again.start()
    assert abs(again.status()["left_s"] - (7200 - 600 - off_s)) <= 1


@pytest.mark.parametrize("clock_is", [0.0, 3e9])
def test_a_clock_that_jumped_never_lengthens_it(support, places, clock, keys, monkeypatch, clock_is):
    support.enable({"hours": 1, "key": keys["ed25519"]})
    support.stop()
    monkeypatch.setattr(ssh.time, "time", lambda: clock_is)
    again = Ssh(places, clock)
    again.start()
    assert again.status().get("left_s", 0) <= 3600


def test_a_permission_that_ran_out_while_the_box_was_off_is_closed(
    support, places, programs, clock, keys, monkeypatch
):
    support.enable({"hours": 1, "key": keys["ed25519"]})
    before = time.time()
    monkeypatch.setattr(ssh.time, "time", lambda: before + 3601)
    again = Ssh(places, clock)
    again.start()
    assert again.status() == {"open": False} and is_closed(places, programs)


@pytest.mark.parametrize(
    "text", ["{", "{}", '{"left_s": "x", "saved_at": 1, "line": "y"}', '{"left_s": 1e99}']
)
def test_a_damaged_permission_closes(places, programs, clock, text):
    places.ssh.mkdir()
    (places.ssh / "permission.json").write_text(text)
    made = Ssh(places, clock)
    made.start()
    assert made.status() == {"open": False} and is_closed(places, programs) and not opened(programs)


def test_when_the_firewall_refuses_nothing_stays_open(support, places, programs, keys):
    programs.says("nft", "Error: no such table", 1)
    with pytest.raises(Problem) as told:
        support.enable({"hours": 1, "key": keys["ed25519"]})
    assert "no such table" in told.value.text
    assert support.status() == {"open": False} and is_closed(places, programs)


def test_closing_at_once(support, places, programs, keys):
    support.enable({"hours": 1, "key": keys["ed25519"], "by": "admin"})
    assert support.disable({}) == {"open": False}
    assert is_closed(places, programs)


def test_a_host_key_that_a_power_cut_has_torn_is_made_anew_and_a_whole_one_kept(support, places, keys):
    host = places.ssh / "host_ed25519"
    support.enable({"hours": 1, "key": keys["ed25519"]})
    whole = host.read_bytes()
    support.enable({"hours": 1, "key": keys["ed25519"]})
    assert host.read_bytes() == whole, "who has met the box knows it again"
    host.write_bytes(whole[:100])
    support.enable({"hours": 1, "key": keys["ed25519"]})
    assert subprocess.run(["ssh-keygen", "-y", "-P", "", "-f", host], capture_output=True).returncode == 0
    assert host.stat().st_mode & 0o777 == 0o600
