"""What makes the box restart itself: a kernel that hangs."""

from tests.image.livebox import Box

HANG = """
echo -1 > /proc/sys/kernel/sched_rt_runtime_us
for core in $(seq $(nproc)); do chrt -f 99 sh -c 'while :; do :; done' & done
wait
"""
"""Nothing of lower rank gets a core any more, the first process neither."""


def run_alone(box: Box, script: str, *how: str) -> None:
    """Run a script on the box in a unit of its own: our shell has ended before it does its work."""
    box.shell(f"cat > /run/alone.sh <<'END'\n{script}END\nsystemd-run -q {' '.join(how)} sh /run/alone.sh")


def test_a_kernel_that_hangs_is_restarted_by_the_watchdog(ready, tmp_path, figures):
    with ready.resume(tmp_path) as box:
        run_alone(box, HANG, "--on-active=2")
        began = box.vm.elapsed_s()
        assert box.vm.qmp.wait_event("WATCHDOG")["data"]["action"] == "reset"
        figures["a kernel that hangs: restarted after, s"] = round(box.vm.elapsed_s() - began - 2)
        box.vm.wait_console("Zongji: starting system A")
        box.wait_takes_calls()
