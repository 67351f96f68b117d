"""The hardware watchdog: without one a kernel that hangs is not restarted (systemd's RuntimeWatchdogSec= has
nothing to feed then, and says nothing)."""

from __future__ import annotations

from image.box.places import Places


def identity(places: Places) -> str:
    """What its driver calls it; "" where this machine has none."""
    try:
        return (places.watchdog / "identity").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        # A kernel may keep the name to itself (CONFIG_WATCHDOG_SYSFS); it is there all the same.
        return places.watchdog.name if places.watchdog.exists() else ""
