"""The share of the network: what is asked of the kernel, and what its refusals mean."""

import ctypes
import errno
import json
import os
import re
import socket

import pytest

from image.box import share
from image.box.problem import Problem
from image.box.system.shares import Shares

WANTED = {"server": "nas", "name": "backup", "user": "keeper", "password": "a,b=c \\ß", "domain": ""}


def code_of(act, *args):
    with pytest.raises(Problem) as refused:
        act(*args)
    assert refused.value.text
    return refused.value.code


def refused(number, said=""):
    return share.problem_of(OSError(number, os.strerror(number)), said).code


@pytest.fixture
def runs(programs):
    """Stand-in for systemd-run that keeps what it was told on standard input."""
    program = programs.folder / "systemd-run"

    def says(text, status=0):
        (programs.folder / "answer").write_text(text)
        program.write_text(
            f'#!/bin/sh\necho "systemd-run $*" >> {programs.log}\ncat > {programs.folder}/stdin\n'
            f"cat {programs.folder}/answer\nexit {status}\n"
        )
        program.chmod(0o755)

    says(json.dumps({"path": "/run/zongji/share/mounted"}))
    programs.run_says = says
    return programs


def test_the_password_is_in_no_list_of_processes(runs):
    assert Shares().open(dict(WANTED)) == {"path": "/run/zongji/share/mounted"}
    (call,) = runs.calls
    assert call.endswith("-m image.box.share open") and "RuntimeMaxSec=" in call
    assert WANTED["password"] not in call
    assert json.loads((runs.folder / "stdin").read_text()) == WANTED


@pytest.mark.parametrize(
    "other",
    [
        {"server": "nas/../x"},
        {"server": "-o"},
        {"server": ""},
        {"name": "a/b"},
        {"name": "a,b"},
        {"name": 5},
        {"user": "a\x1fpass=b"},
        {"password": "a\nb"},
        {"domain": "\0"},
    ],
)
def test_what_could_be_another_option_is_refused(runs, other):
    assert code_of(Shares().open, WANTED | other) == "bad_request"
    assert not runs.calls


def test_a_problem_keeps_its_name_and_a_program_that_dies_is_named(runs):
    problem = Problem("share_wrong_password", "no", "password", detail="STATUS_LOGON_FAILURE").as_dict()
    runs.run_says(json.dumps({"problem": problem}))
    with pytest.raises(Problem) as told:
        Shares().open(dict(WANTED))
    assert told.value.as_dict() == problem
    for text, status in (("", 1), ("Traceback", 1), ("{", 0), ("[]", 0)):
        runs.run_says(text, status)
        assert code_of(Shares().open, dict(WANTED)) == "share_refused"
    runs.run_says("{}")
    assert Shares().close({}) == {}


def test_the_mount_is_safe_and_gives_a_silent_server_up(monkeypatch, places):
    asked = []
    monkeypatch.setattr(share, "addresses_of", lambda server: ["192.0.2.7"])
    monkeypatch.setattr(share, "reachable", lambda addresses: addresses[0])
    monkeypatch.setattr(share, "close_share", lambda places: {})
    monkeypatch.setattr(share, "KernelLog", lambda: None)
    monkeypatch.setattr(share, "mount", lambda *words: asked.append(words))
    assert share.open_share(places, WANTED) == {"path": str(places.share)}
    ((source, target, data),) = asked
    assert (source, target) == ("//nas/backup", places.share)
    words = re.split(r"(?<!,),(?!,)", data)  # two commas are one of a value
    assert "pass=a,,b=c \\ß" in words
    assert {"ip=192.0.2.7", "soft", "cache=none", "user=keeper", "echo_interval=20"} <= set(words)


def test_a_share_is_not_let_go_of_while_the_kernel_holds_a_file_of_it(monkeypatch, places, tmp_path):
    now, undone, listing = [0.0], [], tmp_path / "open_files"
    heading = "# Version:1\n# Format:\n# <tree id> <ses id> <persistent fid>\n"

    class Kernel:
        def umount2(self, target, flags):
            undone.append(target)
            ctypes.set_errno(errno.EINVAL)
            return -1

    def pause(seconds):
        now[0] += seconds

    monkeypatch.setattr(share.ctypes, "CDLL", lambda *_, **__: Kernel())
    listing.write_text(heading + "0x5 0x3c 0x1 0x8001 2 698 902 half.zjb.part 0x2f\n")
    assert code_of(share.close_share, places, listing, lambda: now[0], pause) == "share_silent"
    assert now[0] >= share.ENDS_S and not undone

    def answered(seconds):
        listing.write_text(heading)

    assert share.close_share(places, listing, lambda: now[0], answered) == {} and undone
    undone.clear()
    assert share.close_share(places, tmp_path / "none") == {} and undone


def test_a_name_is_looked_for_among_the_neighbours_too(monkeypatch):
    asked = []

    def known(name, port, type):
        asked.append(name)
        if name != "nas.local":
            raise socket.gaierror(-2, "Name or service not known")
        return [(socket.AF_INET, type, 6, "", ("192.0.2.7", port))] * 2

    monkeypatch.setattr(share.socket, "getaddrinfo", known)
    assert share.addresses_of("nas") == ["192.0.2.7"] and asked == ["nas", "nas.local"]
    assert code_of(share.addresses_of, "nas.example") == "share_name_unknown"
    assert asked[2:] == ["nas.example"]


def test_a_server_where_nobody_listens_is_named(monkeypatch):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        monkeypatch.setattr(share, "PORT", listener.getsockname()[1])
        assert code_of(share.reachable, ["127.0.0.1"]) == "share_unreachable"
        listener.listen()
        assert share.reachable(["127.0.0.1"]) == "127.0.0.1"


def test_refusals_of_the_kernel_have_names():
    at_the_door = (
        "CIFS: Status code returned 0xc000006d STATUS_LOGON_FAILURE\n"
        "CIFS: VFS: \\\\nas Send error in SessSetup = -13\nCIFS: VFS: cifs_mount failed w/return code = -13\n"
    )
    inside = "CIFS: VFS: cifs_mount failed w/return code = -13\n"
    assert refused(errno.EACCES, at_the_door) == "share_wrong_password"
    assert refused(errno.EACCES, inside) == "share_forbidden"
    assert refused(errno.ENOENT) == "share_missing"
    assert {refused(one) for one in (errno.EHOSTDOWN, errno.ECONNRESET, errno.EOPNOTSUPP)} == {
        "share_protocol"
    }
    assert refused(errno.ENODEV) == "share_refused"


def test_only_what_the_kernel_says_from_now_on_is_read(tmp_path):
    path = tmp_path / "kmsg"
    path.write_text("STATUS_ACCESS_DENIED of yesterday\n")
    log = share.KernelLog(path)
    with path.open("a") as file:
        file.write("STATUS_LOGON_FAILURE\n")
    assert log.read() == "STATUS_LOGON_FAILURE\n"


@pytest.mark.parametrize("words", [[], ["mount"], ["open", "x"]])
def test_strange_words_are_refused(words):
    assert share.main(words) == 2
