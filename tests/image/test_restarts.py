"""What makes the box restart itself: a kernel that hangs, an engine that does not stay up."""

import html

from tests.image.livebox import PYTHON, Box
from tests.image.test_updates import LAST_TRY, NEWER, install_from_stick

HANG = """
echo -1 > /proc/sys/kernel/sched_rt_runtime_us
for core in $(seq $(nproc)); do chrt -f 99 sh -c 'while :; do :; done' & done
wait
"""
"""Nothing of lower rank gets a core any more, the first process neither."""
DIES = """
while :; do
  pid=$(systemctl show -P MainPID zongji-engine)
  [ "$pid" = 0 ] || kill -KILL "$pid"
done
"""


def run_alone(box: Box, script: str, *how: str) -> None:
    """Run a script on the box in a unit of its own: our shell has ended before it does its work."""
    box.shell(f"cat > /run/alone.sh <<'END'\n{script}END\nsystemd-run -q {' '.join(how)} sh /run/alone.sh")


HANGS_AFTER_S, RESTARTED_WITHIN_S = 2, 60


def test_18_a_kernel_that_hangs_is_restarted_by_the_watchdog(ready, tmp_path, figures):
    """A hung box has no time of its own. The watchdog counts by this machine's clock, however slow the
    emulated processor is, from when it was fed last, at most 30 s."""
    with ready.resume(tmp_path) as box:
        run_alone(box, HANG, f"--on-active={HANGS_AFTER_S}", "--timer-property=AccuracySec=100ms")
        began = box.vm.elapsed_s() + HANGS_AFTER_S
        assert box.vm.qmp.wait_event("WATCHDOG")["data"]["action"] == "reset"
        after_s = box.vm.elapsed_s() - began
        figures["a kernel that hangs: restarted after, s"] = round(after_s)
        assert after_s <= RESTARTED_WITHIN_S
        box.vm.wait_console("Zongji: starting system A")
        box.wait_takes_calls()


def test_an_engine_that_does_not_stay_up_restarts_the_box_and_costs_a_try(ready, tmp_path):
    with ready.resume(tmp_path) as box:
        run_alone(box, DIES)
        box.vm.wait_reset()
        assert box.vm.wait_console(r"Zongji: boot state ok SEQ=\d+ ORDER=A A=(\S+)\s")[1] == "1/3"
        box.vm.wait_console("Zongji: starting system A")
    with ready.start(tmp_path) as box:
        assert box.vm.wait_console(r"Zongji: boot state ok SEQ=\d+ ORDER=A A=(\S+)\s")[1] == "1/2"
        box.wait_takes_calls()
        box.wait_shell()
        box.wait_confirmed("A")


def test_after_the_last_try_of_a_system_whose_engine_dies_the_other_one_starts(
    ready, built, make, tmp_path, figures
):
    """The engine of this version never gets ready, so that nothing confirms it meanwhile."""
    bundle = built.variant("silent")
    with ready.resume(tmp_path) as box:
        install_from_stick(box, make(bundle), bundle)
        box.vm.wait_reset()
    with ready.start(tmp_path) as box:
        box.vm.wait_console("Zongji: starting system B")
        box.wait_shell()
        box.shell("until test -s /run/zongji/boot.json; do sleep 0.3; done")  # so far that its start is told
        box.shell(f'{PYTHON} -c "{LAST_TRY}"')
        began = box.vm.elapsed_s()
        run_alone(box, DIES)
        box.vm.wait_reset()
        figures["an engine that dies at once: the box restarts after, s"] = round(box.vm.elapsed_s() - began)
    with ready.start(tmp_path) as box:
        box.vm.wait_console("Zongji: starting system A")
        box.wait_takes_calls()
        box.sign_in()
        box.wait_shell()
        found = box.system("status")["fell_back"]
        assert (found["version"], found["reason"]) == (NEWER, "stopped_without_a_word")
        assert any("zongji-engine" in line for line in found["log"])
        page = html.unescape(box.pages.open("/admin/updates/"))
        assert NEWER in page and all(line in page for line in found["log"])
