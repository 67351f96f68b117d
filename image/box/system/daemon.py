"""All requests of the system daemon by name, and what it does by itself as time passes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from image.box import bootstate, certificate, files, firstboot, release, watchdog
from image.box.callsnow import calls_in_progress
from image.box.places import Places
from image.box.problem import Problem
from image.box.system import ask
from image.box.system.box import Whole
from image.box.system.keeper import Keeper
from image.box.system.network import Network, since_boot
from image.box.system.shares import Shares
from image.box.system.ssh import Ssh
from image.box.system.sticks import Sticks
from image.box.system.timekeeper import TimeKeeper
from image.box.system.updates import Updates
from image.box.update import history
from image.box.update.job import Ways

log = logging.getLogger(__name__)

Method = Callable[[ask.Params], dict[str, Any]]

DATA_TROUBLE = ("repaired", "unreadable", "missing")
CONFIG_TROUBLE = ("restored", "lost", "memory", "defaults")
CHANGES_CONFIG = ("network.confirm", "certificate.renew", "time.set", "board.set", "ssh.enable")
"""Their answer comes when the copy of the configuration has the change too."""
SLOT_BYTES = 480_000_000
"""Room in a slot where its size cannot be read (a test, recovery)."""


class Daemon:
    """The state of the box and the requests that change it."""

    def __init__(
        self,
        places: Places,
        clock: Callable[[], float] = since_boot,
        group: int | None = certificate.GROUP,
    ) -> None:
        self._places = places
        self._whole = Whole(places)
        self.network = Network(places, clock)
        self.ssh = Ssh(places, clock)
        self._time = TimeKeeper(places)
        self.updates = Updates(places, self._ways())
        sticks = Sticks(places)
        shares = Shares()
        self._keeper = Keeper(places, group)
        self._unread = ""
        # Requests that change the same thing wait for each other; slow ones hold up nobody else.
        self._methods: dict[str, tuple[threading.Lock, Method]] = {}
        for methods in (
            {"status": self.status},
            {"network.get": self.network.get},
            {
                "network.apply": self.network.apply,
                "network.confirm": self.network.confirm,
                "network.revert": self.network.revert,
                "certificate.renew": self.network.renew_certificate,
            },
            {"ssh.enable": self.ssh.enable, "ssh.disable": self.ssh.disable},
            {"time.get": self._time.get, "time.set": self._time.set},
            {
                "update.inspect": self.updates.inspect,
                "update.install": self.updates.install,
                "update.discard": self.updates.discard,
            },
            {
                "update.status": self.updates.status,
                "update.cancel": self.updates.cancel,
                "update.acknowledge": self.updates.acknowledge,
            },
            {"usb.list": sticks.listed, "usb.eject": sticks.eject},
            {"share.open": shares.open, "share.close": shares.close},
            {
                "power.reboot": self._whole.reboot,
                "power.off": self._whole.off,
                "recovery.order": self._whole.recovery,
                "recovery.forget": self._whole.recovery_forget,
                "board.set": self._whole.board_set,
            },
            {"log.tail": self._whole.log_tail},
            {"support.make": self._whole.support},
        ):
            lock = threading.Lock()
            self._methods |= {name: (lock, method) for name, method in methods.items()}
        self._changing_network = self._methods["network.apply"][0]
        self._changing_ssh = self._methods["ssh.enable"][0]

    def handle(self, method: str, params: ask.Params) -> dict[str, Any]:
        """One request. Raises Problem, OSError."""
        found = self._methods.get(method)
        if found is None:
            raise Problem("unknown_method", f"the system daemon has no method {method!r}")
        lock, run = found
        with lock:
            done = run(params)
        if method in CHANGES_CONFIG:
            self._carefully(self._keeper.renew)
        return done

    def start(self) -> None:
        """What was going on before this daemon or this boot began."""
        for what in (self.ssh.start, self._settle, self.updates.start):
            self._carefully(what)

    def tick_network(self) -> None:
        """Once a second, apart from all else that may take its time: who is cut off waits for it."""
        with self._changing_network:
            self._carefully(self.network.tick)

    def tick(self) -> None:
        """Once a second: what else is due by time."""
        with self._changing_ssh:
            self._carefully(self.ssh.tick)
        self._carefully(self._time.tick)
        self._carefully(self._settle)
        self._carefully(self.updates.tick)
        self._carefully(self._keeper.tick)

    def stop(self) -> None:
        """The box or the daemon goes down."""
        self._carefully(self.ssh.stop)

    def status(self, params: ask.Params) -> dict[str, Any]:
        """What the start page and the console show."""
        here = release.read(self._places)
        slot = release.slot(self._places)
        return {
            "version": here.version,
            "build": here.build,
            "hardware": here.hardware,
            "serial": firstboot.serial(self._places),
            "slot": slot,
            "confirmed": self._confirmed(slot),
            "boot_state": release.kernel_words(self._places).get("zongji.boot_state", ""),
            "states": self._states(),
            "watchdog": watchdog.identity(self._places),
            "board": self._whole.board(),
            "up_s": round(since_boot()),
            "ssh": self.ssh.status(),
            "network_trial": self.network.trial(),
            "time": self._time.state(),
            **self.updates.summary(),
        }

    # ----------------------------------------------------------------- helpers
    def _ways(self) -> Ways:
        return Ways(
            calls=lambda: calls_in_progress(self._places),
            slot_bytes=self._slot_bytes,
            reboot=self._reboot,
            running_slot=lambda: release.slot(self._places),
            next_slot=bootstate.get_primary,
            spoilt=self._spoilt,
        )

    def _reboot(self) -> None:
        self._whole.reboot({})

    def _slot_bytes(self) -> int:
        other = {"A": "b", "B": "a"}.get(release.slot(self._places))
        if other is None:
            return SLOT_BYTES
        device = self._places.root / "dev" / "zongji" / f"rootfs-{other}"
        with device.open("rb") as file:
            return file.seek(0, 2)

    def _boot_state(self) -> bootstate.State | None:
        """What counts; None while the disk does not read it, which the log tells once."""
        try:
            state = bootstate.load()
        except OSError as error:
            if self._unread != str(error):
                self._unread = str(error)
                log.warning("the boot state cannot be read: %s", error)
            return None
        self._unread = ""
        return state

    def _confirmed(self, slot: str) -> bool:
        state = self._boot_state()
        return bool(slot) and state is not None and state.slot(slot).confirmed

    def _spoilt(self) -> bool:
        """Is there no other system that could be started?"""
        state = bootstate.load()
        other = {"A": "B", "B": "A"}.get(release.slot(self._places), "")
        return other not in state.order or not state.slot(other).tries

    def _settle(self) -> None:
        if self._boot_state() is None:
            return
        slot = release.slot(self._places)
        marker = self._places.run / "installed-in-this-boot"
        history.settle(self._places, slot, self._confirmed(slot), not marker.exists(), self._spoilt())

    def _states(self) -> list[str]:
        """What boot_settings and the disk's check (`image.box.disk`) found at this start, or later."""
        try:
            found = files.read_json(self._places.run / "boot-states.json") or {}
            disk = files.read_json(self._places.run / "disk.json") or {}
        except (OSError, ValueError) as error:
            log.warning("the states of the boot cannot be read: %s", error)
            return []
        states = [str(one) for one in found.get("states", []) if one != "clock_unset"]
        states += [f"config_{disk['config']}"] if disk.get("config") in CONFIG_TROUBLE else []
        states += [f"data_{disk['data']}"] if disk.get("data") in DATA_TROUBLE else []
        if disk.get("full"):
            states.append("data_full")
        if disk.get("small"):
            states.append("disk_small")
        if files.takes_nothing(self._places.config):
            states.append("config_readonly")
        return states + self._boot_states()

    def _boot_states(self) -> list[str]:
        """Has recovery not come up, and had it begun something? Can the boot state be read at all?"""
        state = self._boot_state()
        if state is None:
            return ["boot_state_unreadable"]
        if state.recovery_tries:
            return []
        try:
            begun = state.recovery and bootstate.order_begun(self._places.config)
        except OSError as error:
            log.warning("what recovery was to do cannot be read: %s", error)
            begun = True
        return ["recovery_unfinished" if begun else "recovery_failed"]

    @staticmethod
    def _carefully(what: Callable[[], None]) -> None:
        """One thing that fails must not take the others away; it is tried again."""
        try:
            what()
        except Problem as problem:
            log.error("%s", problem.text)
        except (OSError, ValueError) as error:
            log.error("%s failed: %s", what.__qualname__, error)
