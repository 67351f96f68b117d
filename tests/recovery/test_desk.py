"""Menu and page: numbers, two languages, the presence code, nobody there for fifteen minutes."""

import ast
import html
import http.client
import io
import json
import os
import pty
import re
import select
import socket
import ssl
import string
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import pytest

import recovery
from appliance.services import backup_file, restore
from image.box import bootstate, certificate
from image.box.places import Places
from image.box.update import bundle
from recovery import runner, tls
from recovery.__main__ import TERMINALS, begin, came_up, look, menu_on
from recovery.actions import diagnose
from recovery.choices import CHOICES
from recovery.desk import LOCK_S, RETRY_S, TRIES, Desk
from recovery.menu import Menu
from recovery.page import Page, serve
from recovery.plan import Plan
from recovery.refused import Refused
from recovery.words import ACTIONS, LANGUAGES, PLANS, PROBLEMS, STEPS, WORDS

from .conftest import SERIAL, company
from .test_actions import disk_image, recordings, system_of

HAN = re.compile("[\u4e00-\u9fff]")


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def desk(box, clock):
    return Desk(lambda: box, clock)


def talk(desk, *lines, language="en", where=("192.168.1.9",)):
    screen = io.StringIO()
    menu = Menu(
        desk,
        io.StringIO("".join(f"{line}\n" for line in lines)),
        screen,
        lambda: list(where),
        language,
        "AA:" * 31 + "AA",
    )
    menu.run()
    return screen.getvalue()


def number_of(key):
    return str([choice.key for choice in CHOICES].index(key) + 1)


def test_the_menu_shows_box_address_and_code(desk):
    text = talk(desk)
    assert SERIAL in text and "https://192.168.1.9/" in text and desk.code in text
    assert "".join(text.split()).count("AA:") == 31, "the certificate's fingerprint"
    assert all(ACTIONS[choice.key]["en"] in text for choice in CHOICES)


def test_the_language_is_chosen_by_a_key(desk):
    assert ACTIONS["reinstall"]["zh"] in talk(desk, "l")


def test_the_screen_is_offered_no_language_that_it_cannot_draw(desk, monkeypatch):
    assert WORDS["language"]["en"] in talk(desk)
    outside, inside = pty.openpty()
    monkeypatch.setitem(TERMINALS, Path(os.ttyname(inside)), TERMINALS[Path("/dev/tty1")])
    with os.fdopen(outside, "r+b", buffering=0) as screen:
        screen.write(b"l\n\x04")
        menu_on(desk, Path(os.ttyname(inside)), None)
        told = b""
        while told.count(SERIAL.encode()) < 2 and select.select([screen], [], [], 60.0)[0]:
            told += screen.read(1 << 16)
        os.close(inside)
    text = told.decode(errors="replace")
    assert text.count(SERIAL) == 2 and WORDS["language"]["en"] not in text and not HAN.search(text)


def test_what_will_be_done_and_how_far_it_is_are_said_in_chinese_too(desk, backup_on_stick):
    said = talk(desk, number_of("reinstall"), "", "no", language="zh")
    assert f"将会: {PLANS['reinstall']['zh'].format(slot='A', mb=9)}" in said
    said = talk(desk, number_of("restore"), backup_on_stick.name, "", "", "no", language="zh")
    assert PLANS["restore"]["zh"].format(file=backup_on_stick.name) in said
    for step, words in (("verifying", "读回核对"), ("smart sda", "磁盘健康 sda"), ("odd one", "odd one")):
        desk.step = (step, 5)
        assert f"{WORDS['busy']['zh']}: {words}\n" in talk(desk, language="zh")


def test_nothing_is_done_without_yes(desk, box):
    before = system_of(box.slot("A"))
    assert "This will: write system A" in talk(desk, number_of("reinstall"), "", "no")
    assert system_of(box.slot("A")) == before
    assert "  Done.\n" in talk(desk, number_of("reinstall"), "", "yes"), "without the name of its last step"
    assert system_of(box.slot("A")) == system_of(box.system)


def test_a_new_password_is_the_last_word_until_something_else_is_done(desk, home):
    said = talk(desk, number_of("reset_password"), "yes")
    _, name, password = re.search(r"(Done\.) (\S+) (\S+)\n", said).groups()
    assert desk.told == f"{name} {password}"
    assert password not in talk(desk, number_of("reinstall"), "", "yes") and not desk.told


def test_a_reset_wants_the_boxs_serial_number(desk, box):
    assert "Not done" in talk(desk, number_of("factory_reset_all"), "yes")
    assert recordings(box)
    talk(desk, number_of("factory_reset_all"), SERIAL.lower())
    assert recordings(box) == {}


def test_a_refusal_is_said_in_chinese_too(desk, box):
    box.stick = None
    assert PROBLEMS["no_stick"]["zh"] in talk(desk, number_of("copy_recordings"), language="zh")


def test_what_is_no_number_of_the_menu_is_passed_over(desk):
    talk(desk, "", "0", "99", "reboot", "-1")
    assert desk.result is None


def test_every_sentence_is_there_in_both_languages():
    for table in (WORDS, ACTIONS, PLANS, STEPS):
        for words in table.values():
            assert set(words) == set(LANGUAGES) and HAN.search(words["zh"])
    assert {choice.action for choice in CHOICES} == set(runner.NAMES)


def sources():
    return [path.read_text(encoding="utf-8") for path in Path(recovery.__file__).parent.rglob("*.py")]


def test_every_plan_has_its_sentence_and_gives_what_stands_in_it():
    calls = [one for text in sources() for one in ast.walk(ast.parse(text)) if isinstance(one, ast.Call)]
    plans = [one.args for one in calls if getattr(one.func, "id", "") == "Plan"]
    given = {key.value: {name.value for one in more for name in one.keys} for key, *more in plans}
    assert given.keys() == PLANS.keys()
    for key, words in PLANS.items():
        for text in words.values():
            assert {name for _, name, *_ in string.Formatter().parse(text) if name} == given[key]


def test_every_step_has_its_words():
    told = {step for text in sources() for step in re.findall(r'\btell\("(\w+)"', text)}
    restoring = re.findall(r'\bstep\("(\w+)"', Path(restore.__file__).read_text(encoding="utf-8"))
    assert told | {*restoring, *diagnose.COMMANDS} <= STEPS.keys() and told and restoring


def test_every_refusal_has_chinese_words():
    codes = set()
    for text in sources():
        codes |= set(re.findall(r'Refused\(\s*"(\w+)"', text))
    of_bundles = set(re.findall(r'Problem\(\s*"(\w+)"', Path(bundle.__file__).read_text(encoding="utf-8")))
    assert len(of_bundles) == 7
    assert codes | of_bundles | {"wrong_product", "wrong_hardware", "too_large"} <= set(PROBLEMS)


def test_a_box_that_ended_here_by_itself_tries_again_when_nobody_comes(desk, box, clock):
    box.cause = "key"
    assert desk.retry_in_s() is None, "somebody held the key"
    box.cause = "exhausted"
    assert desk.retry_in_s() == RETRY_S
    clock.now = RETRY_S - 1
    assert desk.retry_in_s() == 1.0
    clock.now = RETRY_S + 5
    assert desk.retry_in_s() == 0.0
    talk(desk, "l")
    assert desk.retry_in_s() is None, "somebody is here"


def test_one_thing_at_a_time(desk):
    desk.step = ("writing", 5)
    assert "Not done" in talk(desk, number_of("reinstall"), "", "yes")


def test_nothing_is_planned_while_another_plan_looks_at_the_disk(desk, monkeypatch):
    choice = next(one for one in CHOICES if one.key == "install")
    monkeypatch.setattr(runner, "plan", lambda *_: desk.plan(choice, {}))  # the page, while the menu plans
    with pytest.raises(Refused) as refused:
        desk.plan(choice, {})
    assert refused.value.code == "busy"
    monkeypatch.setattr(runner, "plan", lambda *_: "done")
    assert desk.plan(choice, {}) == "done", "and afterwards again"


class Slow:
    """A `find` that waits, once it is told to, until it is let go."""

    def __init__(self, box):
        self.box, self.calls, self.waits = box, 0, False
        self.inside, self.go = threading.Event(), threading.Event()

    def __call__(self):
        self.calls += 1
        if self.waits:
            self.inside.set()
            assert self.go.wait(60.0)
        return self.box


def beside(work):
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_an_action_does_not_begin_while_somebody_looks_for_a_stick(box, clock):
    find = Slow(box)
    desk = Desk(find, clock)
    find.waits = True
    looks = beside(desk.look_again)
    assert find.inside.wait(60.0)
    before, calls = system_of(box.slot("A")), find.calls
    desk.look_again()
    assert find.calls == calls, "it does not look twice at a time"
    (box.stick / "recovery.json").write_text(json.dumps({"action": "reinstall", "serial": SERIAL}))
    acts = beside(desk.obey)
    while not desk.busy:
        time.sleep(0.01)
    with pytest.raises(Refused) as refused:
        desk.plan(CHOICES[0], {})
    assert refused.value.code == "busy" and system_of(box.slot("A")) == before
    find.go.set()
    looks.join(60.0)
    acts.join(60.0)
    assert desk.result["ok"] and system_of(box.slot("A")) == system_of(box.system)


def test_nobody_looks_for_a_stick_while_an_action_writes(box, clock, monkeypatch):
    find = Slow(box)
    desk = Desk(find, clock)

    def write(*_):
        desk.step, calls = None, find.calls  # as `look` may have seen it just before
        desk.look_again()
        assert find.calls == calls
        return {"ok": True}

    monkeypatch.setattr(runner, "run", write)
    assert desk.do(CHOICES[0], {}, desk.plan(CHOICES[0], {}).mark, "menu")["ok"]


def test_a_plan_waits_for_whoever_looks_for_a_stick(box, clock):
    find = Slow(box)
    desk = Desk(find, clock)
    find.waits = True
    looks = beside(desk.look_again)
    assert find.inside.wait(60.0)
    planned = []
    plans = beside(lambda: planned.append(desk.plan(CHOICES[0], {})))
    time.sleep(0.1)
    assert not planned and find.calls == 2, "the first of the desk, the second of the look"
    find.go.set()
    for thread in (looks, plans):
        thread.join(60.0)
    assert planned


def test_the_menu_asks_which_of_several_bundles_is_meant(desk, box, bundles):
    for name in ("one.raucb", "two.raucb"):
        (box.stick / name).write_bytes(bundles[0])
    said = talk(desk, number_of("install"), "", "", language="zh")
    assert PROBLEMS["which_bundle"]["zh"] in said and "one.raucb, two.raucb" in said
    assert "This will: install two.raucb" in talk(desk, number_of("install"), "two.raucb", "", "no")


def test_the_menu_asks_which_of_several_images_is_meant(desk, box):
    for name in ("one.img.gz", "two.img.gz"):
        disk_image(box.stick / name, 12 << 11)
    said = talk(desk, number_of("write_image"), "", "S123", "erase", language="zh")
    assert PROBLEMS["which_image"]["zh"] in said and "one.img.gz, two.img.gz" in said
    said = talk(desk, number_of("write_image"), "three.img", "S123", "erase")
    assert "Not done: there is no disk image three.img" in said
    said = talk(desk, number_of("write_image"), "two.img.gz", "S123", "erase", "no")
    assert re.search("This will: erase .* and write two.img.gz to it", said)


def test_a_disk_that_has_the_product_is_erased_only_at_a_word_of_its_own(desk, box):
    disk_image(box.stick / "zongji.img.gz", 12 << 11)
    box.disk.path.write_bytes(bytes(box.disk.size))
    assert "Not done: this disk has this product" in talk(desk, number_of("write_image"), "", "S123", "yes")
    assert not any(box.disk.path.read_bytes())
    assert "This will: erase" in talk(desk, number_of("write_image"), "", "S123", "Erase", "no")


def test_a_backup_without_a_seal_is_restored_only_at_a_word_of_its_own(desk, box, home, backup_on_stick):
    magic = backup_file.MAGIC
    content = backup_on_stick.read_bytes()
    # As an older version made it: no seal, the header padded to its full length.
    text = content[len(magic) : len(magic) + backup_file.TEXT_BYTES].ljust(backup_file.HEADER_BYTES - 1)
    age = content[len(magic) + backup_file.HEADER_BYTES :]
    backup_on_stick.write_bytes(backup_file.UNSEALED + text + b"\n" + age)
    asked = (number_of("restore"), backup_on_stick.name, "")
    assert "has no seal" in talk(desk, *asked, "yes", "yes") and company(home) == "changed since"
    assert "Done." in talk(desk, *asked, "unsealed", "yes") and company(home) == "Blue Bay"


def test_a_reset_of_a_box_without_a_serial_number_wants_a_word_too(desk, box):
    (box.config / "identity.json").unlink()
    assert "Not done" in talk(desk, number_of("factory_reset_all"), "") and recordings(box)
    assert "has no serial number" in talk(desk, number_of("factory_reset_all"), "yes")
    assert recordings(box) == {}


def test_the_menu_is_shown_anew_when_the_network_comes_but_not_in_the_middle_of_a_question(desk):
    where, screen = [], io.StringIO()
    menu = Menu(desk, io.StringIO(), screen, lambda: list(where))
    menu.show()
    assert desk.code not in screen.getvalue(), "there is no page yet"

    class Keys:
        def __init__(self, *lines):
            self.lines = list(lines)

        def readline(self):
            where.append("192.168.1.9")
            menu.look()
            shown.append(screen.getvalue().count("https://"))
            return self.lines.pop(0)

    shown = []
    menu = Menu(desk, Keys(number_of("diagnose") + "\n", "no\n", ""), screen, lambda: list(where))
    menu.run()
    first, in_question, after = shown
    assert first == 1 and in_question == first, "a question is not written over"
    assert after > in_question


# -------------------------------------------------------------------------- terminals
def test_the_menu_comes_up_on_a_real_terminal(desk):
    outside, inside = pty.openpty()
    with os.fdopen(outside, "r+b", buffering=0) as screen:
        screen.write(b"l\n\x04")  # one line typed, then the terminal is hung up
        menu_on(desk, Path(os.ttyname(inside)), None)
        told = b""
        while SERIAL.encode() not in told and select.select([screen], [], [], 60.0)[0]:
            told += screen.read(1 << 16)
        os.close(inside)
    assert SERIAL.encode() in told and desk.retry_in_s() is None


def test_a_stick_that_orders_nothing_does_not_take_a_new_password_off_the_page(desk, box):
    stick, box.stick = box.stick, None
    desk.result, desk.told = {"action": "reset_password", "ok": True}, "admin sesame"
    box.stick = stick
    look(desk)
    assert desk.seen == stick and (desk.result["ok"], desk.told) == (True, "admin sesame")


def test_what_fails_while_looking_is_told_and_the_box_still_starts_by_itself(desk, clock, box, monkeypatch):
    clock.now = RETRY_S + 1
    monkeypatch.setattr(box, "run", lambda *_: 1 / 0)
    look(desk)
    assert desk.result["code"] == "failed" and "ZeroDivisionError" in desk.result["text"]
    assert desk.retry_in_s() == RETRY_S


def test_a_boot_partition_that_cannot_be_read_keeps_nobody_from_the_menu(desk, monkeypatch, capsys):
    def broken(box):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(runner, "pending", broken)
    begin(desk)
    assert "Input/output error" in capsys.readouterr().out


def test_an_order_on_a_stick_is_obeyed_whoever_sees_the_stick_first(desk, box):
    stick, box.stick = box.stick, None
    look(desk)
    box.stick = stick
    order = {"action": "reinstall", "serial": SERIAL}
    (stick / "recovery.json").write_text(json.dumps(order))
    desk.plan(next(one for one in CHOICES if one.key == "diagnose"), {})  # the menu sees it first
    desk.step = ("writing", 5)
    look(desk)
    assert (stick / "recovery.json").exists(), "something else is being done"
    desk.step = None
    look(desk)
    assert ("systemctl", "--no-block", "reboot") in box.ran and not desk.busy
    told = json.loads((stick / "recovery-result.json").read_text())
    assert (told["action"], told["code"]) == ("reinstall", "done"), "not the restart that followed"
    assert desk.result["action"] == "reinstall"


def test_a_box_that_does_not_restart_after_an_order_says_so(desk, box, monkeypatch, capsys):
    (box.stick / "recovery.json").write_text(json.dumps({"action": "reinstall", "serial": SERIAL}))
    monkeypatch.setattr(box, "run", lambda *_: (1, "no"))
    look(desk)
    assert "reinstall: done" in (said := capsys.readouterr().out) and "does not restart: no" in said
    assert json.loads((box.stick / "recovery-result.json").read_text())["code"] == "not_down"


def test_a_box_without_a_serial_number_is_not_taken_for_a_machine_without_one(desk, box):
    (box.config / "identity.json").unlink()
    assert WORDS["no_serial"]["en"] in talk(desk)
    box.disk = None
    assert WORDS["no_box"]["en"] in talk(desk)


def test_an_order_for_what_is_on_a_stick_waits_for_the_stick(desk, box, home, backup_on_stick):
    stick, box.stick = box.stick, None
    for path in (box.data / "zongji" / "backups").glob("*.zjb"):
        path.unlink()
    (box.config / "order.json").write_text(json.dumps({"action": "restore", "options": {}}))
    bootstate.order_recovery(box.boot)
    begin(desk)
    assert desk.result["code"] == "no_backup" and runner.pending(box), "the stick is not seen yet"
    box.stick = stick
    look(desk)
    assert company(home) == "Blue Bay" and runner.pending(box) is None
    assert ("systemctl", "--no-block", "reboot") in box.ran


def test_a_stale_order_is_gone_before_anything_else_orders_recovery(desk, box):
    (box.config / "order.json").write_text(json.dumps({"action": "factory_reset", "options": {}}))
    begin(desk)
    assert not (box.config / "order.json").exists() and recordings(box)


@pytest.mark.parametrize(("from_stick", "left"), [(False, 3), (True, 1)])
def test_a_recovery_system_that_comes_up_from_the_disk_has_all_its_starts_again(desk, box, from_stick, left):
    state = bootstate.load(box.boot)
    bootstate.save(replace(state, recovery_tries=1), box.boot)
    box.from_stick = from_stick
    came_up(desk)
    assert bootstate.load(box.boot).recovery_tries == left


@pytest.mark.parametrize("from_stick", [False, True])
@pytest.mark.parametrize(
    ("order", "tries", "left"),
    [
        ({"action": "factory_reset", "options": {"keep_recordings": False}}, 0, True),
        ({"action": "factory_reset", "options": {"keep_recordings": False}}, 1, False),
        ({"action": "factory_reset", "options": {"keep_recordings": False}, "step": 0}, 0, False),
    ],
    ids=["given up before it was begun", "just ordered", "begun"],
)
def test_what_was_given_up_before_it_was_begun_is_not_done_weeks_later(
    desk, box, order, tries, left, from_stick
):
    box.from_stick, box.cause = from_stick, "stick" if from_stick else "key"
    (box.config / "order.json").write_text(json.dumps(order))
    bootstate.save(replace(bootstate.load(box.boot), recovery=True, recovery_tries=tries), box.boot)
    came_up(desk)
    begin(desk)
    assert bool(recordings(box)) == left
    assert not bootstate.load(box.boot).recovery and runner.pending(box) is None


def test_the_last_of_its_starts_carries_out_what_was_ordered(desk, box):
    box.cause = "ordered"  # the boot loader counts before it starts
    (box.config / "order.json").write_text(json.dumps({"action": "factory_reset", "options": {}}))
    bootstate.save(replace(bootstate.load(box.boot), recovery=True, recovery_tries=0), box.boot)
    came_up(desk)
    begin(desk)
    assert desk.result["action"] == "factory_reset" and desk.result["ok"]


def test_what_was_given_up_is_not_done_where_its_file_cannot_be_removed(desk, box, monkeypatch):
    box.cause = "key"
    (box.config / "order.json").write_text(json.dumps({"action": "factory_reset", "options": {}}))
    bootstate.save(replace(bootstate.load(box.boot), recovery=True, recovery_tries=0), box.boot)

    def remove(path):
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(runner.files, "remove", remove)
    came_up(desk)
    begin(desk)
    assert recordings(box) and bootstate.load(box.boot).recovery_tries == 3


def test_what_ends_the_machine_each_time_is_not_begun_for_ever(desk, box, monkeypatch):
    class PowerCut(Exception):
        pass

    def cut(*_):
        raise PowerCut

    (box.config / "order.json").write_text(json.dumps({"action": "factory_reset", "options": {}}))
    bootstate.order_recovery(box.boot)
    with monkeypatch.context() as patch:
        patch.setattr(runner, "action", lambda name: runner.Action(lambda *_: Plan("factory_reset"), (cut,)))
        for _ in range(runner.MOST_BEGINNINGS):
            with pytest.raises(PowerCut):
                runner.resume(box, desk.tell)
        with pytest.raises(Refused) as refused:
            runner.resume(box, desk.tell)
    assert refused.value.code == "given_up" and recordings(box)


def test_a_recovery_system_without_a_boot_partition_comes_up_all_the_same(desk, box):
    box.boot = None
    came_up(desk)


# ------------------------------------------------------------------------------ page
def test_a_browser_that_says_nothing_keeps_nobody_away(browser):
    with socket.create_connection(("127.0.0.1", browser.port)):
        assert browser("GET", "/")[0] == 200


def test_the_pages_certificate_is_the_boxs_own_or_made_for_this_start(box, tmp_path, page_tls):
    made = tls.choose(box, Places(tmp_path / "memory"))
    assert made.root == tmp_path / "memory" and certificate.fits(made)
    before = made.certificate.read_bytes()
    assert tls.choose(box, made).certificate.read_bytes() == before, "one for the whole start"
    box.config = page_tls.config
    assert tls.choose(box, made) == page_tls
    page_tls.key.rename(page_tls.key.with_name("lost.pem"))
    assert tls.choose(box, made) == made, "a damaged config takes no page away"
    page_tls.key.with_name("lost.pem").rename(page_tls.key)


@pytest.fixture(scope="module")
def page_tls(tmp_path_factory):
    places = Places(tmp_path_factory.mktemp("tls"))
    certificate.make(places, "zongji", [], group=None)
    return places


@pytest.fixture(params=["", "127.0.0.1"], ids=["every address", "one address"])
def browser(request, desk, page_tls):
    server = serve(desk, request.param, 0, page_tls)
    trust = ssl.create_default_context(cafile=str(page_tls.certificate))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()

    def ask(method, path, fields=None, cookie="", **headers):
        link = http.client.HTTPSConnection("127.0.0.1", server.server_port, timeout=60, context=trust)
        body = urlencode(fields) if fields is not None else None
        link.request(method, path, body, {"Cookie": cookie, **headers})
        answer = link.getresponse()
        text = answer.read().decode()
        found = (answer.status, text, answer.getheader("Set-Cookie") or "")
        link.close()
        return found

    ask.port = server.server_port
    yield ask
    server.shutdown()
    server.server_close()
    thread.join(5)
    ended()


def test_nothing_is_done_without_the_code_from_the_screen(browser, desk, box):
    before = system_of(box.slot("A"))
    status, text, _ = browser("GET", "/")
    assert status == 200 and "presence code" in text and desk.code not in text
    assert "Reinstall" not in text
    for cookie in ("", "recovery=guess"):
        for path in ("/plan", "/do"):
            assert "This will" not in browser("POST", path, {"what": "reinstall"}, cookie)[1]
    assert system_of(box.slot("A")) == before and desk.result is None


def test_with_the_code_an_action_is_done(browser, desk, box):
    status, _, cookie = browser("POST", "/enter", {"code": desk.code})
    assert status == 303 and {"HttpOnly", "SameSite=Strict", "Secure"} <= set(cookie.split("; "))
    cookie = cookie.partition(";")[0]
    assert "Reinstall" in browser("GET", "/?lang=en", cookie=cookie)[1]
    assert "重装系统" in browser("GET", "/?lang=zh", cookie=cookie)[1]
    for path in ("/plan", "/do"):
        wrong = {"what": "factory_reset_all", "serial": "wrong"}
        status, text, _ = browser("POST", f"{path}?lang=en", wrong, cookie)
        assert recordings(box) and f"this box is {SERIAL}" in text
    browser("POST", *hidden(browser("POST", "/plan?lang=en", {"what": "reinstall"}, cookie)[1]), cookie)
    ended()
    assert desk.result["ok"] and system_of(box.slot("A")) == system_of(box.system)
    assert "Done.<" in browser("GET", "/?lang=en", cookie=cookie)[1]


def ended():
    for one in threading.enumerate():
        if one.name == "action":
            one.join(30)


def hidden(text):
    """What the only form of a page sends, and where to."""
    (action,) = re.findall(r'action="([^"]+)"', text)
    fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', text)
    return html.unescape(action), {name: html.unescape(value) for name, value in fields}


def test_the_page_says_what_will_be_done_before_it_is_done(browser, desk, box):
    before = system_of(box.slot("A"))
    cookie = browser("POST", "/enter", {"code": desk.code})[2].partition(";")[0]
    assert 'action="/do' not in browser("GET", "/?lang=en", cookie=cookie)[1]
    status, text, _ = browser("POST", "/plan?lang=zh", {"what": "reinstall"}, cookie)
    assert status == 200 and f"将会: <b>{PLANS['reinstall']['zh'].format(slot='A', mb=9)}</b>" in text
    ended()
    assert system_of(box.slot("A")) == before and desk.result is None and not desk.busy
    assert browser("POST", *hidden(text), cookie)[0] == 303
    ended()
    assert desk.result["ok"] and system_of(box.slot("A")) == system_of(box.system)


def test_what_was_typed_is_kept_until_it_is_done(browser, desk, box):
    cookie = browser("POST", "/enter", {"code": desk.code})[2].partition(";")[0]
    name = 'a"><script>&.img.gz'
    disk_image(box.stick / name, 12 << 11)
    disk_image(box.stick / "other.img.gz", 12 << 11)
    typed = {"what": "write_image", "image": name, "disk": "S123", "erase": "erase"}
    text = browser("POST", "/plan?lang=en", typed, cookie)[1]
    address, sent = hidden(text)
    assert "<script>" not in text and address == "/do?lang=en" and sent.pop("plan") and sent == typed
    typed = {"what": "factory_reset_all", "serial": SERIAL}
    text = browser("POST", "/plan?lang=en", typed, cookie)[1]
    assert recordings(box) and "recordings are deleted too" in text
    browser("POST", *hidden(text), cookie)
    ended()
    assert recordings(box) == {} and desk.result["ok"]


class Thread:
    """Stands for threading.Thread: begins, and runs when the test wants it to."""

    def __call__(self, target, args, **_):
        self.run = lambda: target(*args)
        return self

    def start(self):
        pass


def test_a_browser_that_comes_second_is_told_so(browser, desk, box, monkeypatch):
    cookie = browser("POST", "/enter", {"code": desk.code})[2].partition(";")[0]
    target = hidden(browser("POST", "/plan?lang=en", {"what": "reinstall"}, cookie)[1])
    before = system_of(box.slot("A"))
    desk.result = {"ok": True, "action": "diagnose"}
    first = Thread()
    with monkeypatch.context() as patch:
        patch.setattr("recovery.desk.threading.Thread", first)
        diagnose = next(one for one in CHOICES if one.key == "diagnose")
        desk.start(diagnose, {}, desk.plan(diagnose, {}).mark, "menu")
    for path, fields in (target, ("/plan?lang=en", {"what": "reinstall"})):
        status, text, _ = browser("POST", path, fields, cookie)
        assert status == 200 and "something else is being done" in text and "Done." not in text
        assert 'content="2;url=/?lang=en"' in text, "not the address of the form again"
    first.run()
    assert desk.result["action"] == "diagnose" and system_of(box.slot("A")) == before


def test_the_page_shows_no_former_result_as_if_it_were_this_one(browser, desk, monkeypatch):
    cookie = browser("POST", "/enter", {"code": desk.code})[2].partition(";")[0]
    desk.result = {"ok": True, "action": "diagnose"}
    page = Page(desk)
    token = page.enter(desk.code)
    with monkeypatch.context() as patch:
        patch.setattr("recovery.desk.threading.Thread.start", lambda _: None)  # it has not begun to run yet
        fields = hidden(page.plan(token, {"what": "reinstall"}, "en"))[1]
        assert page.do(token, fields, "en") == ""
    text = browser("GET", "/?lang=en", cookie=cookie)[1]
    assert "Being done: beginning" in text and "Done." not in text


def test_guessing_the_code_is_slow(browser, desk, clock):
    wrong = "000000" if desk.code != "000000" else "111111"
    for _ in range(TRIES):
        assert "Wrong code" in browser("POST", "/enter?lang=en", {"code": wrong})[1]
    assert "Set-Cookie" not in browser("POST", "/enter?lang=en", {"code": desk.code})[2]
    assert desk.locked_s() > 0
    clock.now += LOCK_S + 1
    assert browser("POST", "/enter", {"code": desk.code})[0] == 303


def test_another_sites_form_and_strange_requests_are_refused(browser, desk):
    assert browser("POST", "/enter", {"code": desk.code}, Origin="http://evil.example")[0] == 400
    assert browser("POST", "/enter", {"code": "x" * 9000})[0] == 400
    assert browser("GET", "/etc/passwd")[0] == 404
    assert SERIAL in browser("GET", "/state")[1]


def test_what_is_typed_is_never_html(browser, desk):
    desk.result = {"ok": False, "code": "new", "text": "<script>alert(1)</script>"}
    cookie = browser("POST", "/enter", {"code": desk.code})[2].partition(";")[0]
    assert "<script>" not in browser("GET", "/?lang=en", cookie=cookie)[1]


# ------------------------------------------- what was shown is what is done, or nothing
def swap_bundle(box):
    """Another stick with a bundle of the same name, size and version."""
    (box.stick / "kept").replace(box.stick / "one.raucb")


def swap_stick(box):
    box.plugged += 1


def swap_disk(box):
    """Another disk of the same model; the menu and the page asked for its model."""
    box.disks = (replace(box.disks[0], serial="S999"),)


def swap_box(box):
    (box.config / "identity.json").write_text(json.dumps({"serial": "ZJ-OTHER-BOX22"}))


def swap_source(box):
    with box.system.open("r+b") as file:
        file.seek(1000)
        file.write(b"another build")


SWAPS = [
    ("install", {"bundle": "one.raucb"}, swap_bundle),
    ("install", {"bundle": "one.raucb"}, swap_stick),
    ("write_image", {"image": "one.img.gz", "disk": "SSD 64", "erase": "erase"}, swap_disk),
    ("write_image", {"image": "one.img.gz", "disk": "SSD 64", "erase": "erase"}, swap_stick),
    ("reset_password", {}, swap_box),
    ("reinstall", {}, swap_source),
    ("copy_recordings", {}, swap_stick),
    ("support", {}, swap_stick),
]


@pytest.fixture
def stocked(box, bundles, monkeypatch):
    """A stick with a bundle and an image on it; what was carried out is noted, and does nothing."""
    for name, data in zip(("one.raucb", "kept"), bundles, strict=True):
        (box.stick / name).write_bytes(data)
        os.utime(box.stick / name, (1, 1))
    disk_image(box.stick / "one.img.gz", 12 << 11)
    done, real = [], runner.action

    def action(name):
        return replace(real(name), steps=(lambda *_: done.append(name),), needs_box=False)

    monkeypatch.setattr(runner, "action", action)
    return done


@pytest.mark.parametrize(("key", "typed", "swap"), SWAPS)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_does_what_it_has_shown_or_shows_what_it_would_be_now(
    browser, desk, box, stocked, key, typed, swap, language
):
    cookie = browser("POST", "/enter", {"code": desk.code})[2].partition(";")[0]
    address, shown = hidden(browser("POST", f"/plan?lang={language}", {"what": key, **typed}, cookie)[1])
    swap(box)
    status, text, _ = browser("POST", address, shown, cookie)
    assert status == 200 and WORDS["changed"][language] in text and WORDS["will"][language] in text
    again, now = hidden(text)
    assert again == address and now.pop("plan") != shown.pop("plan") and now == shown
    ended()
    assert stocked == [] and desk.result is None and not desk.busy
    assert browser("POST", *hidden(text), cookie)[0] == 303
    ended()
    assert stocked == [key] and desk.result["ok"]


def test_the_page_does_nothing_that_it_has_not_shown(browser, desk, stocked):
    cookie = browser("POST", "/enter", {"code": desk.code})[2].partition(";")[0]
    for fields in ({}, {"plan": ""}, {"plan": "0" * 64}):
        assert (
            WORDS["changed"]["en"] in browser("POST", "/do?lang=en", {"what": "restart", **fields}, cookie)[1]
        )
    shown = hidden(browser("POST", "/plan?lang=en", {"what": "restart"}, cookie)[1])[1]
    text = browser("POST", "/do?lang=en", {**shown, "what": "reset_password"}, cookie)[1]
    assert WORDS["changed"]["en"] in text, "agreed to was something else"
    ended()
    assert stocked == [] and desk.result is None


@pytest.mark.parametrize(("key", "typed", "swap"), SWAPS)
def test_the_menu_asks_again_when_it_would_be_something_else(desk, box, stocked, key, typed, swap):
    choice = next(one for one in CHOICES if one.key == key)
    lines = iter([f"{number_of(key)}\n", *(f"{typed.get(ask, '')}\n" for ask in choice.asks)])

    class Typist:
        """Says yes, and somebody swaps something while the question is on the screen."""

        said = 0

        def readline(self):
            line = next(lines, None)
            if line is None and self.said < 2:
                self.said += 1
                if self.said == 1:
                    swap(box)
                assert stocked == []
                return "yes\n"
            return line or ""

    screen = io.StringIO()
    Menu(desk, Typist(), screen, list).run()
    text = screen.getvalue()
    assert text.count("This will: ") == 2 and text.count(WORDS["changed"]["en"]) == 1
    assert stocked == [key] and "Done." in text


def test_a_reset_of_another_box_than_the_one_shown_is_refused(desk, box, stocked):
    choice = next(one for one in CHOICES if one.key == "factory_reset_all")
    shown = desk.plan(choice, {}).mark
    swap_box(box)
    with pytest.raises(Refused) as refused:
        desk.do(choice, {"serial": SERIAL}, shown, "menu")
    assert refused.value.code == "wrong_serial" and stocked == []


def test_what_is_swapped_in_the_last_moment_is_not_done_either(desk, box, stocked, monkeypatch):
    choice = next(one for one in CHOICES if one.key == "install")
    shown, real = desk.plan(choice, {}).mark, desk._claim

    def claim():
        swap_bundle(box)
        return real()

    monkeypatch.setattr(desk, "_claim", claim)
    result = desk.do(choice, {}, shown, "page")
    assert (result["ok"], result["code"]) == (False, "plan_changed") and stocked == [] and not desk.busy


def test_what_is_as_it_was_is_done_at_once(desk, box, stocked):
    for choice in CHOICES:
        answers = {"image": "one.img.gz", "disk": "S123", "erase": "erase", "serial": SERIAL}
        if choice.key != "restore":  # there is no backup
            assert desk.do(choice, answers, desk.plan(choice, answers).mark, "menu")["ok"], choice.key


# ------------------------------------------------- an action that cannot begin, or dies
def test_a_page_whose_action_gets_no_thread_says_so_and_works_on(browser, desk, box, monkeypatch):
    cookie = browser("POST", "/enter", {"code": desk.code})[2].partition(";")[0]
    target = hidden(browser("POST", "/plan?lang=zh", {"what": "reinstall"}, cookie)[1])
    before, real = system_of(box.slot("A")), threading.Thread.start

    def start(thread):
        if thread.name == "action":
            raise RuntimeError("can't start new thread")
        real(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        status, text, _ = browser("POST", *target, cookie)
    assert status == 200 and PROBLEMS["not_begun"]["zh"] in text and "start new thread" in text
    assert not desk.busy and desk.result is None and system_of(box.slot("A")) == before
    assert browser("POST", *target, cookie)[0] == 303
    ended()
    assert desk.result["ok"] and system_of(box.slot("A")) == system_of(box.system)


def test_a_thread_that_there_is_no_memory_for_leaves_a_desk_that_works(desk, monkeypatch):
    (choice,) = (one for one in CHOICES if one.key == "reinstall")
    shown = desk.plan(choice, {}).mark

    def refuse(*_, **more):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(threading, "Thread", refuse)
        with pytest.raises(Refused) as refused:
            desk.start(choice, {}, shown, "page")
    assert refused.value.code == "not_begun" and not desk.busy
    assert desk.do(choice, {}, shown, "page")["ok"]


class Defect(BaseException):
    """What no `except Exception` catches."""


@pytest.mark.parametrize("result_too", [False, True], ids=["the action", "its result too"])
@pytest.mark.parametrize("defect", [ZeroDivisionError, Defect])
def test_an_action_that_dies_leaves_a_named_error_and_a_page_that_works(
    browser, desk, box, monkeypatch, defect, result_too
):
    def die(*_):
        raise defect("of this kind")

    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    cookie = browser("POST", "/enter", {"code": desk.code})[2].partition(";")[0]
    target = hidden(browser("POST", "/plan?lang=en", {"what": "diagnose"}, cookie)[1])
    with monkeypatch.context() as patch:
        patch.setattr(runner, "run", die)
        if result_too:
            patch.setattr(runner, "refused", lambda *_: 1 / 0)
        assert browser("POST", *target, cookie)[0] == 303
        ended()
    assert not desk.busy and desk.result["code"] == "failed"
    text = browser("GET", "/?lang=en", cookie=cookie)[1]
    assert f"{defect.__name__}: of this kind" in text and "Reinstall" in text
    assert browser("POST", *target, cookie)[0] == 303
    ended()
    assert desk.result["ok"]


def test_a_plan_that_dies_is_named_on_page_and_menu(browser, desk, monkeypatch):
    cookie = browser("POST", "/enter", {"code": desk.code})[2].partition(";")[0]
    target = hidden(browser("POST", "/plan?lang=zh", {"what": "restart"}, cookie)[1])

    def die(*_):
        raise subprocess.TimeoutExpired("rauc", 300)

    with monkeypatch.context() as patch:
        patch.setattr(runner, "plan", die)
        for path, fields in (("/plan?lang=zh", {"what": "restart"}), target):
            text = browser("POST", path, fields, cookie)[1]
            assert PROBLEMS["failed"]["zh"] in text and "TimeoutExpired" in text and "重装系统" in text
        assert "Not done: TimeoutExpired" in talk(desk, number_of("restart"), "yes")
    assert browser("POST", *target, cookie)[0] == 303
    ended()
    assert desk.result["ok"]


def test_a_name_that_is_no_text_takes_nobodys_page_away(browser, desk):
    desk.result = {"ok": False, "code": "failed", "text": "no \udcff here"}
    cookie = browser("POST", "/enter", {"code": desk.code})[2].partition(";")[0]
    assert "no ? here" in browser("GET", "/?lang=en", cookie=cookie)[1]
