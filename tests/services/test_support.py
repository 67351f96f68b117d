"""The support bundle: secrets and people's data are planted everywhere and must not be in it."""

import base64
import json
import logging
import sqlite3
import zipfile

import pytest

from appliance.control.care import collect_support
from appliance.services import backup_key
from appliance.store import open_store
from image.box import support
from image.box.redact import Redactor

from .conftest import record

SECRETS = {
    "password hash": "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$aGFzaGhhc2hoYXNo",
    "pin hash": "$argon2id$v=19$m=8,t=1,p=1$cGluc2FsdA$cGluaGFzaA",
    "customer": "Zhang Secretname",
    "customer phone": "13911112222",
    "landline": "021-5555 9876",
    "caller name": "HIDDEN CALLER",
    "note": "owes us four hundred",
    "sms": "your appointment is at noon",
    "company": "Very Private Ltd",
    "psk": "wlan-password-77",
    "share": "sh4re of the office",
    "user of the share": "keeper.of.backups",
    "tls": "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg",
    "mail": "somebody@example.org",
    "session": "eyJfZnJlc2giOnRydWV9",
}
SESSION_KEY = bytes(range(200, 232))


@pytest.fixture
def planted(home, key, tmp_path, monkeypatch):
    """A box with a secret in every place that anything is collected from."""
    store = open_store(home.database)
    store.users.create("geheim", SECRETS["password hash"], "admin")
    store.agents.put({"number": "1001", "name": "Agent Realname", "pin_hash": SECRETS["pin hash"]})
    phones = [
        {"number": SECRETS["customer phone"], "label": ""},
        {"number": SECRETS["landline"], "label": ""},
    ]
    store.customers.add({"name": SECRETS["customer"], "notes": SECRETS["note"], "phones": phones})
    store.calls.save(record("c9", caller_name=SECRETS["caller name"], caller_number="13733334444"))
    store.calls.note("c9", "1001", SECRETS["note"])
    store.settings.set("company", SECRETS["company"], "me")
    store.settings.set("share.user", SECRETS["user of the share"], "me")
    store.close()
    db = sqlite3.connect(home.database)
    db.execute("INSERT OR REPLACE INTO claim VALUES (1, '48151623', 0, 0)")
    db.commit()
    db.close()
    (home.root / "web-secret.key").write_bytes(SESSION_KEY)
    (home.root / "share-password.json").write_text(json.dumps({"password": SECRETS["share"]}))
    plan = {
        "agents": [{"number": "1001", "name": "Agent Realname", "pin_hash": SECRETS["pin hash"]}],
        "version": 1,
    }
    home.plan.write_text(json.dumps(plan | {"blocked": [{"pattern": "13911112222"}]}))
    home.line_figures.write_text(json.dumps({"sim/0": {"calls": 7, "peer": SECRETS["customer phone"]}}))
    config = tmp_path / "config"
    (config / "tls").mkdir(parents=True)
    pem = f"-----BEGIN PRIVATE KEY-----\n{SECRETS['tls']}\n-----END PRIVATE KEY-----\n"
    (config / "tls" / "key.pem").write_text(pem)
    (config / "network.json").write_text(json.dumps({"wifi": {"psk": SECRETS["psk"]}, "dhcp": True}))
    (config / "broken.json").write_text("{")
    monkeypatch.setenv("ZONGJI_CONFIG", str(config))
    log = "\n".join(
        (
            f"2026-11-28 10:00:00 web INFO signed in Cookie: zongji={SECRETS['session']}; path=/",
            f"2026-11-28 10:00:01 control WARNING customer {SECRETS['customer']} called from 13911112222",
            f"2026-11-28 10:00:02 web ERROR password={SECRETS['psk']} claim code: 48151623",
            f"2026-11-28 10:00:03 web ERROR {pem} {key.secret} {' '.join(key.on_paper)}",
            f"2026-11-28 10:00:04 web key {base64.b64encode(SESSION_KEY).decode()} {SESSION_KEY.hex()}",
            f"2026-11-28 10:00:05 engine call 20261128-7 caller +86 137 3333 4444 <{SECRETS['mail']}>",
            f"2026-11-28 10:00:06 control ERROR the server refused {SECRETS['share']}",
            f'2026-11-28 10:00:07 engine sms "text": "x", token: {SECRETS["session"]}',
        )
    )

    def run(self, command):
        if command[0] == "rauc":
            raise FileNotFoundError("there is no rauc here")
        return log.encode()

    monkeypatch.setattr(support.Collector, "_run", run)
    return home, config


def contents(path):
    with zipfile.ZipFile(path) as bundle:
        assert bundle.testzip() is None
        return {name: bundle.read(name).decode() for name in bundle.namelist()}


def leaks(texts, key):
    found = dict(SECRETS) | {
        "recovery key": key.secret,
        "paper": " ".join(key.on_paper[:4]),
        "claim": "48151623",
        "session key": base64.b64encode(SESSION_KEY).decode().rstrip("="),
        "session hex": SESSION_KEY.hex(),
        "caller": "13733334444",
        "caller apart": "3333 4444",
        "agent": "Agent Realname",
    }
    everything = "\n".join(texts.values())
    return {name for name, secret in found.items() if secret in everything}


def test_no_secret_is_in_the_bundle_and_what_helps_is(planted, key):
    home, config = planted
    texts = contents(support.Collector(home.root, config).write(home.root / "support", 0.0))
    assert leaks(texts, key) == set()
    assert "10:00:05" in texts["log/journal.txt"] and "call 20261128-7" in texts["log/journal.txt"]
    assert json.loads(texts["database.json"])["rows"]["customers"] == 2
    assert json.loads(texts["database.json"])["check"] == ["ok"]
    assert json.loads(texts["lines.json"])["sim/0"]["calls"] == 7
    assert json.loads(texts["box/network.json"])["dhcp"] is True
    failed = json.loads(texts["contents.json"])["failed"]
    assert {"slots/rauc.txt", "status.json", "box/broken.json"} <= set(failed), "parts that failed are named"


@pytest.mark.parametrize("damage", [b"", b"rubbish" * 3000, b"SQLite format 3\x00" + b"\xa5" * 50_000])
def test_a_broken_database_still_gives_a_bundle_without_secrets(planted, key, damage):
    """Names that only the database knows cannot be recognised in logs then; nothing else may slip through."""
    home, config = planted
    for path in home.database.parent.glob("zongji.db*"):
        path.unlink()
    home.database.write_bytes(damage)
    texts = contents(support.Collector(home.root, config).write(home.root / "support", 0.0))
    assert leaks(texts, key) <= {"customer"}
    assert "settings.json" in json.loads(texts["contents.json"])["failed"]
    assert "log/journal.txt" in texts


def test_every_part_may_fail_and_the_bundle_is_still_made(planted, monkeypatch):
    home, config = planted

    def fail(self, *args):
        raise RuntimeError("no")

    for name in ("_about", "_ask", "_json", "_database", "_settings", "_files", "_run", "_lines"):
        monkeypatch.setattr(support.Collector, name, fail)
    texts = contents(support.Collector(home.root, config).write(home.root / "support", 0.0))
    assert set(texts) == {"contents.json"}
    assert len(json.loads(texts["contents.json"])["failed"]) > 20


def test_only_the_last_bundles_are_kept(planted):
    home, config = planted
    out = home.root / "support"
    for second in range(5):
        support.Collector(home.root, config).write(out, second * 60.0)
    assert len(list(out.iterdir())) == support.KEEP


def test_a_full_disk_puts_it_into_memory(planted, monkeypatch, tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("run")
    from collections import namedtuple

    home, config = planted
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("image.box.support.shutil.disk_usage", lambda _: usage(10, 10, 0))
    path = support.Collector(home.root, config).write(home.root / "support", 0.0)
    assert path.exists() and home.root not in path.parents
    path.unlink()
    monkeypatch.setattr(support, "IN_MEMORY", tmp_path)
    for second in (1.0, 2.0):
        path = support.Collector(home.root, config).write(home.root / "support", second)
    assert list(tmp_path.iterdir()) == [path], "memory is not filled with bundles"


def test_control_collects_it_in_development(home, key):
    path = collect_support(home)
    assert path.parent == home.root / "support"
    assert leaks(contents(path), key) == set()


@pytest.mark.parametrize(
    "kept",
    [
        "2026-11-28 10:00:00 engine WARNING late by 12.345 ms",
        "call 20261128-17 ended",
        "10.0.0.17 192.168.1.200 up 123.4567890 s",
        "version 0.1.0 schema 4",
    ],
)
def test_what_support_needs_is_left_as_it_is(kept):
    assert Redactor().text(kept) == kept


def test_the_key_is_never_logged_by_the_services(home, caplog):
    with caplog.at_level(logging.DEBUG):
        key = backup_key.load_or_make(home)
    assert key.secret not in caplog.text
