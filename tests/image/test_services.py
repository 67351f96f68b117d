"""Promise 18: what hangs or dies comes back, on the box as it is flashed."""

import json
import time

import pytest

from tests.image.livebox import PYTHON, Box
from tests.image.vm import PATIENCE_S

SERVICES = ("engine", "control", "web", "system")

FAIL = """
unit=zongji-$1.service
restarts() { systemctl show -P NRestarts $unit; }
before=$(restarts)
read -r began rest < /proc/uptime
systemctl kill --signal=$2 $unit
while [ "$(restarts)" = "$before" ] || ! systemctl is-active -q $unit; do sleep 0.2; done
echo "$began $(systemctl show -P ActiveEnterTimestampMonotonic $unit)" > /run/failed.new
mv /run/failed.new /run/failed
"""
"""Signals all of a service, waits until it was started anew; prints uptime before (s), ready again (us)."""

TAKES_CALLS = f"""
until {PYTHON} - <<'END'
import sys
from pathlib import Path
from appliance.client import ControlClient, WireError
try:
    sys.exit(not ControlClient(Path("/data/zongji/run/control.sock")).call("status")["engine"]["up"])
except WireError:
    sys.exit(1)
END
do sleep 0.5; done
"""


def fail(box: Box, service: str, signal: str) -> float:
    """Seconds of the box's own clock from the signal until the service is ready again."""
    box.shell(f"rm -f /run/failed; cat > /run/fail.sh <<'END'\n{FAIL}END")
    # In a unit of its own: the system daemon ends open shells when it is started anew.
    box.shell(f"systemd-run -q bash /run/fail.sh {service} {signal}")
    until = time.monotonic() + PATIENCE_S
    while not (
        said := box.shell("timeout 60 sh -c 'until cat /run/failed; do sleep 0.3; done' 2>&-", check=False)
    ):
        assert time.monotonic() < until, f"{service} does not come back"
    began, ready = said.split()
    return round(int(ready) / 1e6 - float(began), 1)


def ends(box: Box, service: str, result: str) -> int:
    """How often systemd has written that a service ended this way, in the journal's own fields."""
    words = f"UNIT=zongji-{service}.service UNIT_RESULT={result}"
    return len(box.shell(f"journalctl -b -o json --no-pager {words}").splitlines())


@pytest.fixture(scope="module")
def running(ready, tmp_path_factory):
    with ready.resume(tmp_path_factory.mktemp("services")) as box:
        yield box


@pytest.mark.parametrize("service", SERVICES)
def test_18_a_service_that_is_killed_or_hangs_comes_back(running, service, figures):
    box = running
    figures[f"{service}: killed to ready again, s"] = fail(box, service, "KILL")
    hung = ends(box, service, "watchdog")
    figures[f"{service}: stopped to ready again, s"] = fail(box, service, "STOP")
    assert ends(box, service, "watchdog") > hung, "it is the watchdog that brings it back"
    box.shell(TAKES_CALLS)
    assert box.system("status")["slot"] == "A"
    box.pages.wait("/health")


def test_the_services_are_fenced_in_and_only_the_engine_has_devices(running):
    box = running
    for service in ("engine", "control", "web"):
        pid = box.shell(f"systemctl show -P MainPID zongji-{service}").strip()
        lines = box.shell(f"cat /proc/{pid}/status").splitlines()
        facts = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
        user = box.shell(f"id -u zongji-{service}").strip()
        assert user != "0" and facts["Uid"].split() == [user] * 4
        assert facts["NoNewPrivs"] == "1" and facts["Seccomp"] == "2"
        assert int(facts["CapEff"], 16) == int(facts["CapBnd"], 16) == 0
        inside = f"nsenter --target {pid} --mount --"
        # Where it may not write not even root could.
        refused = box.shell(f"{inside} touch /config/x /data/x /etc/x 2>&1", check=False)
        assert refused.count("Read-only file system") == 3, refused
        devices = box.shell(f"{inside} ls /dev").split()
        assert ("ttyS0" in devices) == (service == "engine"), devices
        links = box.shell(f"cat /proc/{pid}/net/dev")
        assert (":" in links.replace("lo:", "")) == (service != "control"), f"control has no network: {links}"


def test_logs_have_fields(running):
    for process in ("engine", "control"):
        words = f"journalctl -b -o json -n 1 --no-pager ZONGJI_PROCESS={process} _TRANSPORT=journal"
        fields = json.loads(running.shell(words))
        assert fields["SYSLOG_IDENTIFIER"] == f"zongji-{process}"
        assert fields["_SYSTEMD_UNIT"] == f"zongji-{process}.service"
        assert fields["PRIORITY"].isdigit() and fields["CODE_FILE"].endswith(".py")
