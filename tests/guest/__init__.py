"""Tests with real kernel modules, in a small machine of their own (QEMU). See docs/hardware.md."""
