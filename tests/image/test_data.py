"""What becomes of a customer's data: damaged, full, unreadable, restored, and in nobody else's hands."""

import io
import re
import shlex
import time
import zipfile
from dataclasses import replace

from image.box import console
from tests.image.calls import begin_call, simulated_office
from tests.image.livebox import PASSWORD, PYTHON
from tests.image.vm import PATIENCE_S, VmError

NAME, NUMBER, PIN = "Zhang Weiqiang", "13912345678", "483920"
DATA = "/dev/zongji/data"

PLANT = f"""
import os; os.setgid(900); os.setuid(902); os.umask(7)
from pathlib import Path
from argon2 import PasswordHasher
from appliance.store import open_store
store = open_store(Path("/data/zongji/db/zongji.db"))
store.customers.add({{"name": "{NAME}", "phones": [{{"number": "{NUMBER}", "label": ""}}]}})
store.agents.put({{"number": "1007", "name": "{NAME}", "pin_hash": PasswordHasher().hash("{PIN}")}})
store.close()
"""
COUNT = f"""
import sqlite3
db = sqlite3.connect("/data/zongji/db/zongji.db")
print(db.execute("SELECT count(*) FROM customers WHERE name = '{NAME}'").fetchone()[0])
"""
FILL = """
import os; os.setgid(900); os.setuid(902)
size, number = 1 << 30, 0
while size >= 4096:
    number += 1
    with open(f"/data/zongji/fill{number}", "wb") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError:
            size //= 2
"""
ON_THE_START_PAGE = (
    "The clock has not been set: calls and backups get wrong times.",
    "The partition with the box's own settings was damaged and has been put back from its copy.",
    "The disk is %(percent)s %% full, %(free_gb)s GB are free.",
)
"""Of a box at 1970 whose config partition was gone and whose data is full; the screen has its own words."""
WEB_SECRET = "od -An -v -tx1 /data/zongji/web-secret.key | tr -d ' \\n'"
NO_SUPERBLOCK = f"""
zero() {{ dd if=/dev/zero of={DATA} bs=1M oflag=direct status=none $* 2>/dev/null; }}
zero count=64
for at in $(seq 0 128 $(($(blockdev --getsize64 {DATA}) >> 20))); do zero seek=$at count=1; done
true
"""


def python(box, program):
    return box.shell(f"{PYTHON} -c {shlex.quote(program)}")


def until(box, what, look, timeout_s=PATIENCE_S):
    """Wait until `look()` gives something; that."""
    end = time.monotonic() + timeout_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise VmError(f"never: {what}\n{box.vm.log()[-3000:]}")
        time.sleep(0.5)


def secrets(box):
    """Texts that must never leave the box, as they are on its disk."""
    found = [PASSWORD, PIN, NUMBER, box.shell("cat /data/zongji/recovery-key.txt")]
    found[3] = re.search(r"AGE-SECRET-KEY-1[A-Z0-9]+", found[3])[0]
    for key in ("/config/tls/key.pem", "/config/ssh/host_ed25519"):
        found += [line for line in box.shell(f"cat {key}").splitlines() if len(line) > 40]
    hashes = "import sqlite3; db = sqlite3.connect('/data/zongji/db/zongji.db');"
    hashes += "print(*[r[0] for q in ('password_hash FROM users', 'pin_hash FROM agents')"
    hashes += " for r in db.execute('SELECT ' + q) if r[0]], sep='\\n')"
    return found + python(box, hashes).split() + [box.shell(WEB_SECRET).strip()]


def parts(page):
    """The support bundle that a page has sent: name -> text."""
    with zipfile.ZipFile(io.BytesIO(page.content)) as bundle:
        return {name: bundle.read(name).decode(errors="replace") for name in bundle.namelist()}


def leaks(bundle, texts):
    return {(name, text) for name, content in bundle.items() for text in texts if text in content}


def job_done(box):
    return until(box, "the job ends", lambda: (job := box.control("backups")["job"]) and job["ended"] and job)


def test_10_17_20_a_damaged_database_is_never_defaults_and_no_secret_leaves_the_box(ready, tmp_path, figures):
    with ready.resume(tmp_path) as box:
        began = time.monotonic()
        python(box, PLANT)
        box.shell(f"logger -t zongji-control 'pop for {NUMBER}, pin: {PIN}'")
        # 17, first half: made, proved on the box, and nothing of it is readable.
        assert box.pages.post("/admin/backups/make", form_at="/admin/backups/").status == 200
        assert job_done(box)["problem"] is None
        (made,) = box.control("backups")["backups"]
        assert made["verified_at"] and made["sealed"] and not made["problem"]
        file = f"/data/zongji/backups/{made['name']}"
        for text in (NAME, NUMBER, "SQLite format", "AGE-SECRET"):
            assert box.shell(f"grep -ac {shlex.quote(text)} {file} || true").strip() == "0"
        # 20: one click.
        known = secrets(box)
        bundle = parts(box.pages.post("/admin/backups/support", form_at="/admin/"))
        assert {"log/journal.txt", "settings.json", "database.json", "slots/boot-state.txt"} <= set(bundle)
        assert leaks(bundle, [*known, NAME]) == set()
        # 10: a page of the database is damaged.
        box.shell("systemctl stop zongji-web.socket zongji-web zongji-control")
        box.shell(
            "db=$(readlink -f /data/zongji/db/zongji.db); pages=$(($(stat -c %s $db) / 4096));"
            " dd if=/dev/urandom of=$db bs=4096 seek=2 count=$((pages - 4)) conv=notrunc status=none"
        )
        damaged = box.shell("sha256sum < /data/zongji/db/zongji.db")
        box.shell("systemctl start zongji-control zongji-web.socket zongji-web")
        page = box.pages.wait("/rescue")
        assert "Recovery key" in page or "恢复密钥" in page
        for path in ("/", "/claim", "/sign-in", "/admin/"):
            page = box.pages.open(path)
            assert page.status == 503 and 'name="password"' not in page, (path, page)
        status = box.control("status")
        assert status["maintenance"] and status["engine"]["up"] and "damaged" in status["database"]["problem"]
        assert box.shell("sha256sum < /data/zongji/db/zongji.db") == damaged, "it is left as it is"
        # Whoever has the paper may help himself; a wrong key opens nothing.
        wrong = known[3][:-4] + "QQQQ"
        assert "rescue/restore" not in box.pages.post("/rescue/key", form_at="/rescue", key=wrong)
        assert "rescue/restore" in box.pages.post("/rescue/key", form_at="/rescue", key=known[3])
        bundle = parts(box.pages.post("/rescue/support", form_at="/rescue"))
        assert leaks(bundle, known) == set() and "malformed" in bundle["database.json"]
        box.pages.post("/rescue/restore", form_at="/rescue")
        assert job_done(box)["problem"] is None
        box.sign_in()
        assert python(box, COUNT).strip() == "1"
        assert box.shell("cat /data/zongji/db/replaced-*/zongji.db | sha256sum") == damaged
        assert not box.control("status")["maintenance"]
        figures["damaged database: backup, bundle, rescue, s"] = round(time.monotonic() - began)


def test_a_box_whose_disk_fails_piece_by_piece_takes_calls_as_itself(ready, tmp_path, figures):
    with ready.resume(tmp_path) as box:
        serial = box.system("status")["serial"]
        simulated_office(box)
        key = "".join(box.control("backup_key")["groups"])
        kept = "cd /data/system/config-copy && cat plan.json recovery-key.txt 2>/dev/null || true"
        until(box, "plan and key are kept", lambda: key in box.shell(kept))
        box.system("time.set", zone="Asia/Urumqi")  # acknowledged, and at once:
        certificate = box.shell("sha256sum < /config/tls/cert.pem")
        box.shell("dd if=/dev/zero of=/dev/zongji/config bs=1M count=64 oflag=direct 2>/dev/null || true")
        # The daemon would give the reserve up at once; remote support ends with it.
        fill = f"systemctl stop zongji-system; {PYTHON} -c {shlex.quote(FILL)}; sync; echo FULL > /dev/ttyS0"
        box.shell(f"systemd-run -q sh -c {shlex.quote(fill)}")
        box.vm.wait_console("FULL")
        box.vm.cut()
    # The clock stands in 1970, the config partition is gone, data is full.
    with ready.start(tmp_path, more=("-rtc", "base=1970-01-01T00:00:00")) as box:
        figures["config gone, disk full, clock of 1970: to taking calls, s"] = round(
            box.wait_takes_calls(), 1
        )
        told = ("clock_unset", "config_restored", "data_full")
        box.vm.wait_all(*(console.STATES[state] for state in told), console.DISK["alarm"])
        box.sign_in()
        for sentence in ON_THE_START_PAGE:
            box.pages.wait_says("/admin/", sentence)
        box.open_support(tmp_path)  # an old copy of the settings does not open it
        assert int(box.shell("date +%Y")) >= 2026
        status = box.system("status")
        assert {"config_restored", "data_full"} <= set(status["states"]) and status["serial"] == serial
        assert box.system("time.get")["zone"] == "Asia/Urumqi", "acknowledged just before"
        assert box.shell("sha256sum < /config/tls/cert.pem") == certificate
        begin_call(box)
        found = box.control("status")
        assert found["disk"]["level"] == "alarm" and not found["maintenance"]
        # Nobody may ask for help in vain because there is no room: the bundle is in memory.
        assert "database.json" in parts(box.pages.post("/admin/backups/support", form_at="/admin/"))
        assert box.control("backups")["job"]["result"].startswith("/run/")
        box.shell("rm /data/zongji/fill*; sync")
        # Every superblock of data goes, while it is in use.
        box.shell(NO_SUPERBLOCK)
        box.vm.cut()
    with replace(ready, key=tmp_path / "support").start(tmp_path) as box:
        figures["data unreadable: to taking calls, s"] = round(box.wait_takes_calls(), 1)
        box.vm.wait_console("NOTHING IS STORED")
        status = box.system("status")
        assert "data_unreadable" in status["states"] and status["serial"] == serial
        begin_call(box)  # with the plan that was kept
        box.pages.wait("/rescue")
        assert box.pages.open("/").status == 503 and box.pages.open("/claim").status == 503
        assert "data disk" in box.control("status")["database"]["problem"]
        ids = {one["id"] for one in box.control("checks")["findings"]}
        assert {"data_memory", "database"} <= ids
        until(
            box,
            "confirmed",
            lambda: box.shell("systemctl is-active zongji-confirm || true").strip() == "active",
        )
        assert box.system("status")["confirmed"] and "Starting recovery" not in box.vm.log()
        assert "rescue/support" in box.pages.post("/rescue/key", form_at="/rescue", key=key)
        # Nothing was made anew on it.
        assert box.shell(f"dd if={DATA} bs=4096 count=16 status=none | tr -d '\\0' | wc -c").strip() == "0"
