"""What the users of a flashed box see: installer, office, neighbours in the network, whoever plugs cards."""

import json
import re
import shlex
import subprocess
import time
import wave
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from itertools import pairwise

import numpy as np
import pytest

from tests.image.inside.ear import likeness, longest_pause, loudest, prompt
from tests.image.livebox import INSIDE, PASSWORD, PYTHON, REPOSITORY, SYSTEM_SOCKET, Box, Refused
from tests.image.pages import Pages
from tests.image.usbmodem import UsbPlug
from tests.image.vm import PATIENCE_S, Vm, overlay, run
from tests.image.wire import Neighbour

EAR = ("tests/image/inside/__init__.py", "tests/image/inside/ear.py")
OFFICE = (*EAR, "tests/image/inside/office.py")
FAR = (EAR[0], "tests/image/inside/far.py", "tests/guest/dahdi_loop.py", "tests/guest/modules.py")
AGENT_PASSWORD = "a desk by the window"
CALLER = "13912345678"
DHCP = "10.0.2.15"
"""What QEMU's network gives the box."""
EVERYWHERE = ("/admin/", "/board", "/calls/", "/customers/")


def until(what, patience_s=PATIENCE_S, every_s=0.5):
    """The first true answer of `what`; the bound is a guard."""
    end = time.monotonic() + patience_s
    while not (found := what()):
        assert time.monotonic() < end, "did not happen"
        time.sleep(every_s)
    return found


def ended(box: Box, call: str) -> dict | None:
    """The record of a call, once it has ended."""
    records = box.pages.json("/api/calls")["data"]
    return next((one for one in records if one["id"] == call and one["end_reason"]), None)


def journal(box: Box, unit: str = "") -> list[tuple[float, str]]:
    """(seconds of the box's own time, text) of what was written since its start."""
    words = f"-u zongji-{unit}" if unit else "-n 1500"
    told = box.shell(f"journalctl -b -o json --output-fields=MESSAGE {words} --no-pager")
    lines = [json.loads(one) for one in told.splitlines()]
    return [(int(one["__MONOTONIC_TIMESTAMP"]) / 1e6, str(one.get("MESSAGE", ""))) for one in lines]


def last(lines: list[tuple[float, str]], pattern: str) -> float:
    """When what matches was written last."""
    found = [at for at, text in lines if re.search(pattern, text)]
    assert found, f"{pattern} is not in the journal"
    return found[-1]


def live(pages: Pages) -> dict:
    return pages.json("/api/live")["data"]


# --- the installer, and the first day ------------------------------------------------------
def test_13_a_box_is_claimed_by_presence_alone_set_up_by_its_pages_and_takes_its_first_call(
    ready, built, tmp_path, figures
):
    with Box(Vm(overlay(built.image, tmp_path / "new.qcow2", "6G"))) as box:
        serial = box.vm.wait_console(r"Serial +(ZJ-[A-Z0-9]{5}-[A-Z0-9]{5})")[1]
        code = box.vm.wait_console(r"Claim code (\d{8})\b")[1]
        box.pages.wait("/claim")
        for wrong in (f"{int(code[0]) ^ 1}{code[1:]}", "", code[:-1]):
            assert box.pages.claim(wrong, PASSWORD).status == 400
        for page in ("/sign-in", "/admin/", "/admin/remote-support/"):
            assert box.pages.open(page).url.startswith(("/claim", "/sign-in")), page
        assert box.pages.open("/sign-in").url.startswith("/claim"), "it is still nobody's"
        box.pages.post("/language", form_at="/claim", language="en", next="/claim")
        claimed = box.pages.claim(code, PASSWORD)
        assert claimed.status == 200 and claimed.url.startswith("/admin"), claimed
        box.open_support(tmp_path)
        mine = own_things(box, code, serial)
        no_password_fits(box)
        set_up(box)
        claim_by_telephone(box, code)
        first_call(box)
    with ready.resume(tmp_path) as other:
        theirs = own_things(other, ready.code, other.system("status")["serial"])
    for name, value in mine.items():
        assert value and value != theirs[name], f"two boxes of one image have the same {name}"


def own_things(box: Box, code: str, serial: str) -> dict[str, object]:
    """What no two boxes may share."""
    host_key = run("ssh-keyscan", "-T", "60", "-t", "ed25519", "-p", box.vm.ssh_port, "127.0.0.1").split()[-1]
    return {
        "claim code": code,
        "serial number": serial,
        "certificate": box.pages.certificate(),
        "key of the certificate": box.shell("sha256sum < /config/tls/key.pem"),
        "host key": host_key,
    }


def no_password_fits(box: Box) -> None:
    """Neither at the pages nor over SSH, which takes the helper's key alone."""
    stranger = Pages(box.vm)
    for name in ("admin", "root"):
        for password in ("admin", ""):
            assert stranger.post("/sign-in", username=name, password=password).status == 401
    words = [
        "ssh",
        "-p",
        str(box.vm.ssh_port),
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
    ]
    words += ["-o", "PubkeyAuthentication=no", "-o", "BatchMode=yes", "root@127.0.0.1", "true"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    # The methods that the box offers stand in brackets.
    assert "Permission denied (publickey)" in done.stderr, done.stderr


def set_up(box: Box) -> None:
    """What an installer does with the simulated office for want of cards."""
    assert "still to do" in box.pages.open("/admin/")
    page = box.pages.post("/admin/restart/board", form_at="/admin/restart/", board="sim")
    assert "The call engine has been started anew" in page
    # In the language that the box was claimed in, though its cards came later.
    until(lambda: "Line 1" in box.pages.open("/admin/lines/"))
    assert "Desk 801" in box.pages.open("/admin/phones/")
    assert "Alice" in box.pages.open("/admin/agents/")
    saved = box.pages.fill_in("/admin/lines/L1", number="4008001234", label="Shop")
    assert saved.status == 200 and "4008001234" in saved and "Shop" in saved
    page = box.pages.fill_in("/customers/new", name="Li Lei", phone_number=CALLER, phone_label="")
    assert page.status == 200 and "Customer added" in page, page


def new_code(box: Box, known: str) -> str:
    """The next claim code on the console; whatever else changes there shows the known one again."""
    return box.vm.wait_console(rf"Claim code (?!{known})(\d{{8}})\b")[1]


def claim_by_telephone(box: Box, before: str) -> None:
    """The box is nobody's again; guessing is stopped, and a lifted telephone says the code."""
    forget = "import sqlite3; db = sqlite3.connect('/data/zongji/db/zongji.db'); "
    forget += "db.execute('DELETE FROM users'); db.commit()"
    box.bring(*OFFICE)
    box.shell(f"{PYTHON} -c {shlex.quote(forget)}")
    first = new_code(box, before)
    for _ in range(5):
        assert box.pages.claim(f"{int(first[0]) ^ 1}{first[1:]}", PASSWORD).status == 400
    assert "Too many wrong codes" in box.pages.claim(first, PASSWORD)
    code = new_code(box, first)
    assert box.pages.claim(code, PASSWORD).status in (400, 429), "for ten minutes no code is taken"
    box.shell("date -s @$(( $(date +%s) + 601 ))")
    box.shell(f"until grep -q {code} /data/zongji/plan.json; do sleep 0.5; done")
    told = json.loads(box.python("tests.image.inside.office", "claim_code", "801"))
    assert told["code"] == code and told["least likeness"] > 0.4, f"{told}, the code is {code}"
    box.pages.post("/language", form_at="/claim", language="en", next="/claim")
    claimed = box.pages.claim(told["code"], PASSWORD)
    assert claimed.status == 200 and claimed.url.startswith("/admin"), claimed
    box.shell(f"while grep -q {code} /data/zongji/plan.json; do sleep 0.5; done")


def first_call(box: Box) -> None:
    """Greeted, queued, answered by an agent, recorded, and on the pages."""
    wanted = {"username": "alice", "role": "agent", "agent_number": "1001", "password": AGENT_PASSWORD}
    page = box.pages.fill_in("/admin/users/new", **wanted)
    assert page.status == 200 and "User added" in page, page
    assert "still to do" not in box.pages.open("/admin/")
    alice = Pages(box.vm)
    assert alice.sign_in(AGENT_PASSWORD, "alice").url == "/desk"
    assert alice.send("/desk/do", "/desk", verb="sign_in", args={"phone": "801"})["error"] == ""
    with ThreadPoolExecutor(1) as pool:
        story = pool.submit(box.python, "tests.image.inside.office", "first_call", CALLER, "801")
        until(lambda: story.done() or [one for one in live(box.pages)["calls"] if one["state"] == "queued"])
        assert not story.done(), story.result()
        (call,) = live(box.pages)["calls"]
        assert (call["line"], call["caller_number"], call["keys"]) == ("L1", CALLER, "1")
        assert "Li Lei" in alice.open(f"/desk/card?number={CALLER}&call={call['id']}")
        # Some time with music before somebody is there.
        box.shell("sleep 3")
        assert alice.send("/desk/do", "/desk", verb="ready", args={})["error"] == ""
        told = json.loads(story.result().splitlines()[-1])
    assert told["greeting"] > 0.8 and told["music"] > 0.6, told
    assert told["display"] and told["display"]["number"] == CALLER, told
    assert told["agent hears the caller"] > 500 and told["caller hears the agent"] > 500, told

    found = until(lambda: [one for one in box.pages.json("/api/calls")["data"] if one["end_reason"]])
    (record,) = found
    wanted = {"direction": "in", "line": "L1", "agent": "1001", "keys": "1", "end_reason": "caller_hangup"}
    assert {name: record[name] for name in wanted} == wanted
    where = f"/calls/{record['id']}"
    for pages in (box.pages, alice):
        assert CALLER in pages.open("/calls/")
        page = pages.open(where)
        assert "Alice" in page and f"{where}/recording.wav" in page
    (customer,) = re.findall(r'href="(/customers/\d+)"', box.pages.open(f"/customers/?q={CALLER}"))[:1]
    assert where in box.pages.open(customer)
    sound, about = box.pages.fetch(f"{where}/recording.wav?download=1")
    assert about["Content-Disposition"].startswith("attachment") and about["Content-Type"] == "audio/wav"
    piece, about = box.pages.fetch(f"{where}/recording.wav", Range="bytes=0-999")
    assert piece == sound[:1000] and about["Content-Range"] == f"bytes 0-999/{len(sound)}"
    with wave.open(BytesIO(sound)) as file:
        heard = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    assert len(heard) / 8000 == pytest.approx(record["recording_s"], abs=0.5)
    assert loudest(heard, 700) > 500 and loudest(heard, 1500) > 500, "both sides are in the recording"
    greeting = prompt(REPOSITORY / "appliance/prompts/built/en", "greeting")[:12000]
    assert likeness(heard, greeting)[0] > 0.8


# --- the network, and who comes in by it ---------------------------------------------------
def no_trial(pages: Pages) -> bool:
    """The page is there, and no settings wait to be confirmed."""
    try:
        page = pages.open("/admin/network/", timeout_s=20)
    except OSError:
        return False
    return page.status == 200 and "card-trial" not in page


def form(four: str = "", gateway: str = "", six: str = "", name: str = "zongji") -> dict[str, str]:
    """The network form."""
    fixed, fixed6 = "static" if four else "dhcp", "static" if six else "auto"
    made = {"hostname": name, "interface": "", "dns": "", "ipv4.method": fixed, "ipv4.address": four}
    return {**made, "ipv4.gateway": gateway, "ipv6.method": fixed6, "ipv6.address": six, "ipv6.gateway": ""}


def test_14_a_network_that_cuts_the_browser_off_comes_back_and_one_that_works_is_kept(
    ready, tmp_path, figures
):
    """And: what the neighbours see of the box."""
    stranger, neighbour, neighbour6 = "203.0.113.9", "10.0.2.77", "fd00:5a::77"
    with ready.resume(tmp_path) as box, Neighbour(box.vm, neighbour, neighbour6) as wire:
        assert DHCP in wire.mdns(neighbour, "zongji.local")

        # Into a network that nobody else is in, and nobody confirms.
        page = box.pages.post("/admin/network/", **form("172.30.7.9/24"))
        assert page.status == 200 and "https://172.30.7.9/admin/network/confirm/" in page, page
        wire.wait(lambda frame: b"\xac\x1e\x07\x09" in frame[14:42], again=lambda: None)  # it is there
        until(lambda: no_trial(box.pages))
        lines = journal(box, "system")
        back_s = last(lines, "nobody confirmed") - last(lines, "settings are in use for")
        figures["network taken back after, s of the box's time"] = round(back_s, 1)
        # By the box's clock, from its word that the new address is in use to its word that nobody came; it
        # looks every second.
        assert 29.5 <= back_s < 33
        found = box.system("network.get")
        assert found["trial"] is None and found["settings"]["ipv4"]["method"] == "dhcp"
        assert any(one.startswith(DHCP) for row in found["interfaces"] for one in row["addresses"])

        # Fixed addresses and another name, kept by the link of the page.
        before = box.pages.certificate()
        wanted = form("10.0.2.40/24", "10.0.2.2", "fd00:5a::10/64", "front-desk")
        page = box.pages.post("/admin/network/", **wanted)
        link = re.search(r'href="https://10\.0\.2\.40(/admin/network/confirm/[^"]+)"', page)[1]
        assert "https://[fd00:5a::10]/admin/network/confirm/" in page
        there = Pages(box.vm, box.vm.forward("10.0.2.40", 443))  # a browser that has never signed in there
        there.wait(link)
        kept = there.post(link)
        assert kept.status == 200, kept
        box.vm.ssh_port = box.vm.forward("10.0.2.40", 22)
        saved = json.loads(box.shell("cat /config/network.json"))
        assert (saved["hostname"], saved["ipv4"]["address"]) == ("front-desk", "10.0.2.40/24")
        assert there.certificate() != before
        (tmp_path / "certificate").write_bytes(there.certificate())
        names = run("openssl", "x509", "-inform", "der", "-in", tmp_path / "certificate", "-noout", "-text")
        for name in (
            "DNS:front-desk.local",
            "DNS:zongji.local",
            "IP Address:10.0.2.40",
            "FD00:5A:0:0:0:0:0:10",
        ):
            assert name in names
        assert box.shell("cat /proc/sys/kernel/hostname").strip() == "front-desk"
        assert "10.0.2.40" in wire.mdns(neighbour, "front-desk.local")

        remote_support_ends_alone(box, there)

        # What answers to whom, when nobody helps from outside.
        answering = wire.knock(neighbour, "10.0.2.40", range(1, 65536), 443)
        assert answering == {80, 443}
        assert wire.knock(neighbour6, "fd00:5a::10", (1, 22, 53, 80, 111, 443, 5355, 8080, 8443), 443) == {
            80,
            443,
        }
        for port in (80, 443):
            assert wire.silent(stranger, "10.0.2.40", port, neighbour), "only the local network is let in"

        # Back to what the network gives.
        page = there.post("/admin/network/", **form(name="front-desk"))
        link = re.search(r"/admin/network/confirm/[^\"]+", page)[0]
        box.pages.wait(link)
        assert box.pages.post(link).status == 200
        assert "10.0.2.40" not in box.pages.open("/admin/network/") and DHCP in box.pages.open(
            "/admin/network/"
        )


def remote_support_ends_alone(box: Box, pages: Pages) -> None:
    """Shortened: the daemon takes parts of the hour that the page offers."""
    pages.sign_in(PASSWORD)
    public = box.key.with_suffix(".pub").read_text().strip()
    wish = {"hours": 0.02, "key": public, "by": "admin"}
    ask = "from appliance.client import ControlClient; from pathlib import Path; "
    ask += f"print(ControlClient(Path({SYSTEM_SOCKET!r})).call('ssh.enable', **{wish!r}))"
    # It is opened anew, which ends the session that asks.
    box.shell(f"systemd-run -q -u enable {PYTHON} -c {shlex.quote(ask)}")
    until(lambda: box.shell("systemctl show -P Result enable", check=False).strip() == "success")
    for page in EVERYWHERE:
        assert "support-banner" in pages.open(page), f"no banner on {page}"
    assert "support-banner" in pages.open("/admin/remote-support/")
    # A session that is open ends with the permission.
    with pytest.raises(AssertionError):
        box.shell("sleep 600")
    until(lambda: "support-banner" not in pages.open("/admin/"), every_s=2)
    assert 'id="h-closed"' in pages.open("/admin/remote-support/")


# --- cards ---------------------------------------------------------------------------------
def test_19_a_card_comes_and_goes_while_a_call_on_another_notices_nothing(ready, tmp_path, figures):
    """A voice modem on USB and a DAHDI card (two looped spans), with the image's own drivers and units."""
    with ready.resume(tmp_path) as box:
        bring_exchange(box)

        # The caller on the DAHDI line is answered, presses nothing, and waits with music. How whole the sound
        # is depends on how fast this machine is: `make test-guest` listens to it.
        call = queued_caller(box)
        marks = [taped(box, call["id"])]
        until(lambda: taped(box, call["id"])[1] - marks[0][1] >= UNDISTURBED_S, every_s=2)
        marks.append(taped(box, call["id"]))

        # A modem is plugged in, gets a line of the box, and takes a call.
        plug = UsbPlug(tmp_path / "modem.sock")
        heard: list[np.ndarray] = []
        box.vm.plug_usb("usb-redir", "modem", tmp_path / "modem.sock")
        card = until(lambda: modem_card(box))
        lines = journal(box)
        found_s = last(lines, "card .* is new") - last(lines, r"idVendor=0baf, idProduct=0303")
        figures["card plugged in to in use, s of the box's time"] = round(found_s, 1)
        saved = box.pages.fill_in(
            "/admin/lines/new", id="L9", port=f"{card}/0", label="Modem", number="4008001235"
        )
        assert saved.status == 200 and "4008001235" in saved, saved
        greets(box, plug, heard)

        # It is pulled out in its call.
        before = far_state(box)
        marks.append(taped(box, call["id"]))
        box.vm.pull_usb("modem")
        until(lambda: state_of(box, "L9") == "fault")
        box.vm.plug_usb("usb-redir", "modem", tmp_path / "modem.sock")
        until(lambda: state_of(box, "L9") == "idle")
        marks.append(taped(box, call["id"]))
        lines = journal(box)
        back_s = last(lines, "line_back: .*L9") - last(lines, r"idVendor=0baf, idProduct=0303")
        figures["card plugged in again to in use, s of the box's time"] = round(back_s, 1)
        assert max(found_s, back_s) < 20, "five seconds on a computer; this one is emulated"
        greets(box, plug, heard)

        # The other caller still waits, and hears it.
        until(lambda: sum(far_state(box)["loud"][len(before["loud"]) :]), every_s=2)
        assert not far_state(box)["over"]
        assert [one["state"] for one in now(box)["calls"] if one["id"] == call["id"]] == ["queued"]
        far(box, "hang up")
        record = until(lambda: ended(box, call["id"]))
        assert (record["line"], record["end_reason"]) == ("L1", "abandoned_queue")
        assert record["recording_s"] > 10
        nothing_noticed(box, call["id"], marks, figures)
        lost = [r for r in box.pages.json("/api/calls")["data"] if r["line"] == "L9"]
        assert [one["end_reason"] for one in lost][-1:] == ["line_lost"], lost
        assert "modem" in box.pages.open("/cards").lower()
        plug.close()
        assert box.shell("systemctl show -P NRestarts zongji-engine").strip() == "0"


def test_18_a_caller_stays_on_the_line_when_the_engine_is_killed(ready, tmp_path, figures):
    """Systemd holds the line: the exchange sees nobody hang up, the next engine greets the caller anew."""
    with ready.resume(tmp_path) as box:
        bring_exchange(box)
        first = queued_caller(box)
        box.shell("systemctl kill -s KILL zongji-engine")
        second = until(lambda: [one for one in now(box)["calls"] if one["state"] == "queued"])[0]
        assert second["id"] != first["id"]
        record = until(lambda: ended(box, first["id"]))
        assert (record["line"], record["end_reason"]) == ("L1", "error")
        loud = len(far_state(box)["loud"])
        until(lambda: sum(far_state(box)["loud"][loud:]), every_s=2)
        assert not far_state(box)["over"], "the exchange has seen the box hang up"
        lines = journal(box)
        figures["engine killed to the caller greeted anew, s of the box's time"] = round(
            last(lines, "call_kept") - last(lines, r"zongji-engine\.service: .*status=9/KILL"), 1
        )

        # Once: when this call's engine dies too, the line is put on hook.
        box.shell("systemctl kill -s KILL zongji-engine")
        until(lambda: far_state(box)["over"])
        until(lambda: state_of(box, "L1") == "idle")
        record = until(lambda: ended(box, second["id"]))
        assert (record["line"], record["end_reason"]) == ("L1", "error")


def bring_exchange(box: Box) -> None:
    """A DAHDI card of looped spans, and an exchange at its other end; the engine is started anew with it."""
    box.bring(*FAR)
    box.shell("systemctl stop zongji-engine")
    box.shell(
        f"systemd-run -q -u far -p WorkingDirectory={INSIDE} {PYTHON} -m tests.image.inside.far /run/far;"
        " until [ -f /run/far/state.json ]; do systemctl is-active -q far || exit 1; sleep 0.5; done"
    )
    box.shell("systemctl start zongji-engine")
    until(lambda: state_of(box, "L1") == "idle")


def queued_caller(box: Box) -> dict:
    """Somebody calls on the DAHDI line, is answered, presses nothing, and waits with music."""
    far(box, "ring")
    until(lambda: sum(far_state(box).get("loud", [])), every_s=2)
    return until(lambda: [one for one in now(box)["calls"] if one["state"] == "queued"])[0]


UNDISTURBED_S = 12.0
PAUSE_S, LOST_S = 1.0, 5.0
"""The music has no pause; the sentence that comes in its place now and then has pauses of half a second.
An emulated box is too slow for some of its ticks: their share before the pull is taken for granted during it,
and no more than so many seconds beside it, which is what a card that comes back may take."""


def taped(box: Box, call: str) -> tuple[float, float]:
    """The box's own clock, and how much of the call is in its recording by then; both in seconds."""
    file = f"/data/zongji/recordings/*/*/*/{call}.wav"
    clock, size = box.shell(f"cut -d' ' -f1 /proc/uptime; stat -c %s {file}").split()
    return float(clock), (int(size) - 44) / 16000


def nothing_noticed(box: Box, call: str, marks: list[tuple[float, float]], figures: dict) -> None:
    """The call's recording: while a card came (second stretch), and was pulled and came back (third), the
    music went on as it did before (first), and no more of the time was lost.

    The recording has a block for every tick of the engine, with what it said to the caller: a slow machine
    makes it shorter than the time that has passed, and puts no silence into it.
    """
    with wave.open(BytesIO(box.pages.fetch(f"/calls/{call}/recording.wav")[0])) as file:
        sound = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    pauses, shares = [], []
    for (began, first), (ended_, last_) in pairwise(marks):
        # Of what was said until the mark up to a second was not in the file yet.
        pauses.append(longest_pause(sound[round(8000 * first) : round(8000 * last_) + 8000]))
        shares.append(max(0.0, 1 - (last_ - first) / (ended_ - began)))
    figures["a caller in the queue: undisturbed, card plugged in, card pulled and back: longest pause, s"] = [
        round(one, 2) for one in pauses
    ]
    figures["  share of the time that is not in the recording"] = [round(one, 2) for one in shares]
    assert max(pauses[1:]) <= max(pauses[0], PAUSE_S), pauses
    pulled_s = marks[3][0] - marks[2][0]
    assert (shares[2] - max(shares[:2])) * pulled_s <= LOST_S, (shares, marks)


def far(box: Box, wish: str) -> None:
    """Tell the exchange at the other end of the DAHDI line to do something."""
    box.shell(f"echo {wish} > /run/far/do")


def far_state(box: Box) -> dict:
    """What has come of it."""
    return json.loads(box.shell("cat /run/far/state.json"))


def now(box: Box) -> dict:
    """The live state; empty while the engine is away."""
    try:
        return box.control("snapshot") or {"lines": [], "calls": []}
    except Refused:
        return {"lines": [], "calls": []}


def state_of(box: Box, line: str) -> str:
    return next((one["state"] for one in now(box)["lines"] if one["id"] == line), "")


def modem_card(box: Box) -> str:
    """Name of the modem's card once its port is in use; "" before."""
    health = box.control("hardware")["health"]
    rows = [
        one for one in health.get("hardware", []) if one["scheme"] == "modem" and one["state"] == "in use"
    ]
    return rows[0]["card"] if rows else ""


def greets(box: Box, plug: UsbPlug, heard: list) -> None:
    """The modem's line rings until the box answers, and speaks."""
    heard.clear()
    with plug.lock:
        plug.modem.outgoing = heard.append
    while not heard:
        with plug.lock:
            plug.modem.ring()
        until_s = time.monotonic() + 5  # the cadence of the bell
        while not heard and time.monotonic() < until_s:
            time.sleep(0.1)
    until(lambda: len(heard) >= 50 * 6)
    assert np.abs(np.concatenate(heard[:])).max() > 500
