"""A new box: flashed, switched on, claimed."""

import http.client
import re
from dataclasses import replace

import pytest

from image.box import bootstate
from tests.image.livebox import PASSWORD, Box
from tests.image.pages import Pages
from tests.image.vm import Vm, overlay, run


def test_the_first_start_ends_in_a_claimed_box_that_takes_calls(running, built):
    box = running
    assert box.version() == built.version
    assert box.shell("systemctl --failed --no-legend").strip() == ""
    status = box.system("status")
    assert status["slot"] == "A" and status["confirmed"] and status["boot_state"] == "ok"
    assert re.fullmatch(r"ZJ-[A-Z0-9]{5}-[A-Z0-9]{5}", status["serial"])
    # The disk is larger than the image: the data partition has grown to its end.
    assert int(box.shell("df -BM --output=size /data | tail -1").strip().rstrip("M")) > 3500
    # Root cannot be changed, not even by root.
    assert "Read-only file system" in box.shell("touch /etc/x 2>&1", check=False)


def test_the_image_holds_every_file_of_the_boot_state(built, tmp_path):
    run("mcopy", "-s", "-i", f"{built.image}@@2M", "::/zongji", tmp_path)
    files = {path.name: path.read_bytes() for path in (tmp_path / "zongji").iterdir()}
    assert files[bootstate.TURN] == bootstate.encode_turn("A")
    first, second = (bootstate.decode(files[name]) for name in bootstate.COPIES)
    assert second == replace(first, seq=first.seq + 1)


def test_13_a_box_started_by_efi_takes_calls_and_is_claimed_by_its_code_alone(built, tmp_path, figures):
    disk = overlay(built.image, tmp_path / "efi.qcow2", "6G")
    with Box(Vm(disk, firmware="efi")) as box:
        box.vm.wait_console("Zongji: starting system A")
        figures["EFI to taking calls, s"] = round(box.wait_takes_calls(), 1)
        code = box.vm.wait_console(r"Claim code (\d{8})\b")[1]
        box.pages.wait("/claim")
        wrong = "".join(str(9 - int(digit)) for digit in code)
        refused = box.pages.claim(wrong, PASSWORD)
        assert refused.status == 400
        assert box.pages.open("/sign-in").url.startswith("/claim")  # still nobody's
        claimed = box.pages.claim(code, PASSWORD)
        assert claimed.status == 200 and claimed.url == "/admin/", claimed
        stranger = Pages(box.vm)
        assert stranger.open("/claim").url.startswith("/sign-in"), "it is somebody's, and the code is over"
        assert stranger.sign_in(wrong).status == 401
        assert stranger.sign_in(PASSWORD).status == 200 and stranger.open("/admin/").url == "/admin/"


def test_12_no_password_and_no_key_came_with_the_image(running):
    box = running
    shadow = box.shell("cat /etc/shadow").splitlines()
    assert all(re.fullmatch(r"[*!]+", line.split(":")[1]) for line in shadow)
    found = box.shell("grep -rlI 'PRIVATE KEY-----$' / --exclude-dir={proc,sys,run,config,data,dev} || true")
    assert found.strip() == ""


def test_services_have_their_own_users_and_only_the_engine_may_be_real_time(running):
    box = running
    users = box.shell("ps -eo user:20,args | grep -E 'zongji (engine|control|web)' | grep -v grep")
    for name in ("engine", "control", "web"):
        assert re.search(rf"^zongji-{name} .*zongji {name}", users, re.M), users
    for name in ("control", "web"):
        assert "zongji" in box.shell(f"systemctl show -P User zongji-{name}")
        assert box.shell(f"systemctl show -P NoNewPrivileges zongji-{name}").strip() == "yes"


def test_nothing_else_listens_on_the_network(running):
    box = running
    rows = box.shell("ss -Hltn | awk '{print $4}'").split()
    ports = {row.rpartition(":")[2] for row in rows if not row.startswith(("127.", "[::1]"))}
    assert ports <= {"80", "443", "22", "5355"}, ports  # 22: the tests have opened remote support
    rules = box.shell("nft list ruleset")
    assert re.search(r"policy drop", rules)
    # As the box is made nobody is let in to port 22: remote support adds that rule while it is open.
    assert "22" not in box.shell("sed -n 's/.*dport//p' /etc/nftables.conf")


def test_http_leads_to_https(running):
    line = http.client.HTTPConnection("127.0.0.1", running.vm.http_port, timeout=60)
    line.request("GET", "/sign-in", headers={"Host": "zongji.local"})
    answer = line.getresponse()
    assert answer.status in (301, 302, 307, 308)
    assert answer.headers["Location"].startswith("https://zongji.local")
    line.close()


@pytest.mark.parametrize(
    "page", ["/admin/", "/admin/network/", "/admin/updates/", "/admin/time/", "/admin/backups/"]
)
def test_pages_of_the_box_answer(running, page):
    assert running.pages.open(page).status == 200


@pytest.fixture(scope="module")
def running(ready, tmp_path_factory):
    with ready.resume(tmp_path_factory.mktemp("running")) as box:
        yield box


def test_the_console_is_there_on_screen_and_serial_port(running):
    assert (
        running.shell("systemctl is-active zongji-console@ttyS0 zongji-console@tty1").split()
        == ["active"] * 2
    )
