"""For bodies that run in the guest, and programs on a box: kernel modules."""

import subprocess


def modprobe(module, *options):
    """Load a kernel module with what it needs."""
    done = subprocess.run(["modprobe", module, *options], stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, f"modprobe {module}: {done.stderr}"
