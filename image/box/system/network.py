"""Network settings that have to be confirmed from the network that they make, or are taken back.

confirmed ──apply──► announced (3 s) ──► trial (30 s) ──confirm──► confirmed
    ▲                   │                   │ time over, revert, or the daemon finds it over when it starts
    └───────────────────┴───────────────────┘ a reboot empties /run: the trial is gone with it
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from typing import Any

from image.box import certificate, files, netapply
from image.box.netsettings import Settings, addresses, check
from image.box.places import Places
from image.box.problem import Problem
from image.box.system import ask

log = logging.getLogger(__name__)

SHOWN_S = 3.0
"""The browser gets the page that tells where to confirm before the new settings may cut it off."""
TRIAL_S = 30.0
APPLYING_S = 40.0
"""Longest time that putting settings to use may take, should the daemon die in the middle of it."""


def since_boot() -> float:
    """Seconds since the machine was started; goes on over restarts of the daemon."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Invalid(Problem):
    """Several fields are wrong at once."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("invalid", " ".join(one.text for one in problems))
        self.params = {"problems": [one.as_dict() for one in problems]}


class Network:
    """The box's network settings. One change at a time; `get` and `trial` may come at any time."""

    def __init__(self, places: Places, clock: Callable[[], float] = since_boot) -> None:
        self._places = places
        self._clock = clock
        self._trial_file = places.run / "network-trial.json"
        self._trial = self._left_over()
        self._refused = ""

    def get(self, params: ask.Params) -> dict[str, Any]:
        """Settings, trial, and what the kernel has."""
        settings, problem = netapply.load(self._places)
        return {
            "settings": settings,
            "problem": problem or self._refused,
            "trial": self.trial(),
            "sockets": netapply.wired(self._places),
            "interfaces": netapply.state(),
            "gateways": netapply.gateways(),
            "name": f"{settings['hostname']}.local",
        }

    def trial(self) -> dict[str, Any] | None:
        """{"settings", "begins_in_s", "left_s"} while settings wait to be confirmed."""
        trial = self._trial
        if trial is None:
            return None
        now = self._clock()
        begins_in = 0.0 if trial["in_use"] else max(0.0, float(trial["begins"]) - now)
        left = begins_in + TRIAL_S if begins_in else max(0.0, float(trial["until"]) - now)
        return {
            "settings": trial["settings"],
            "begins_in_s": round(begins_in, 1),
            "left_s": round(left, 1),
        }

    def apply(self, params: ask.Params) -> dict[str, Any]:
        """Try settings, in a moment. The answer holds the token that confirms them. Raises Problem."""
        settings, problems = check(params.get("settings"), netapply.wired(self._places))
        if problems:
            raise Invalid(problems)
        if self._trial is not None:
            self._take_back()
        self._refused = ""
        token = secrets.token_urlsafe(18)
        begins = self._clock() + SHOWN_S
        trial = {"settings": settings, "token": token, "in_use": False, "begins": begins}
        self._remember(trial | {"until": begins + APPLYING_S + TRIAL_S})
        log.warning("new network settings are on trial for %g s, %g s from now", TRIAL_S, SHOWN_S)
        return {
            "token": token,
            "begins_in_s": SHOWN_S,
            "confirm_within_s": TRIAL_S,
            "addresses": addresses(settings),
        }

    def confirm(self, params: ask.Params) -> dict[str, Any]:
        """Somebody has reached the box with the new settings. Raises Problem."""
        token = ask.text(params, "token")
        if self._trial is None or self._clock() >= float(self._trial["until"]):
            raise Problem("trial_over", "the time to confirm is over; the former settings are back")
        if not self._trial["in_use"]:
            raise Problem("trial_not_begun", "the new settings are not in use yet; try again in a moment")
        if not secrets.compare_digest(token.encode(), str(self._trial["token"]).encode()):
            raise Problem("wrong_token", "these are not the settings that are on trial")
        settings = self._trial["settings"]
        files.write_json(self._places.network, settings)
        self._forget()
        self._renew_certificate(settings)
        log.warning("the new network settings were confirmed")
        return {"settings": settings}

    def renew_certificate(self, params: ask.Params) -> dict[str, Any]:
        """A new certificate with the same key and the present names. Raises Problem."""
        settings, _ = netapply.load(self._places)
        try:
            self._certify(settings)
        except certificate.NoCertificate as error:
            raise Problem(
                "no_certificate", f"the certificate was not made: {error}", detail=str(error)
            ) from error
        return {"fingerprint": certificate.fingerprint(self._places)}

    def revert(self, params: ask.Params) -> dict[str, Any]:
        """Back to the confirmed settings at once."""
        if self._trial is not None:
            self._take_back()
        return {}

    def tick(self) -> None:
        """Begin the trial that was announced; take back what nobody has confirmed in time. Raises OSError,
        Problem."""
        if self._trial is None:
            return
        now = self._clock()
        if now >= float(self._trial["until"]):
            log.warning("nobody confirmed the new network settings: the former ones come back")
            self._take_back()
        elif not self._trial["in_use"] and now >= float(self._trial["begins"]):
            self._begin(self._trial)

    def _begin(self, trial: dict[str, Any]) -> None:
        self._remember(trial | {"in_use": True, "until": self._clock() + APPLYING_S + TRIAL_S})
        try:
            netapply.apply(self._places, trial["settings"])
        except Problem as problem:
            log.error("the new network settings cannot be used: %s", problem.text)
            self._refused = problem.code
            self._take_back()
        else:
            self._remember(trial | {"in_use": True, "until": self._clock() + TRIAL_S})
            log.warning("the new network settings are in use for %g s", TRIAL_S)

    def _take_back(self) -> None:
        assert self._trial is not None
        if self._trial["in_use"]:
            settings, _ = netapply.load(self._places)
            try:
                netapply.apply(self._places, settings)
            except Problem as problem:
                # Tried again by the next tick: the trial is not forgotten.
                log.error("the former network settings are not back yet: %s", problem.text)
                self._trial["until"] = 0.0
                raise
        self._forget()

    def _renew_certificate(self, settings: Settings) -> None:
        try:
            self._certify(settings)
        except (certificate.NoCertificate, OSError) as error:
            log.error("the certificate keeps its old names: %s", error)

    def _certify(self, settings: Settings) -> None:
        found = [one for row in netapply.state() for one in row["addresses"]]
        certificate.make(self._places, settings["hostname"], [*found, *addresses(settings)])

    def _remember(self, trial: dict[str, Any]) -> None:
        self._trial = trial
        files.write_json(self._trial_file, trial, 0o600)

    def _forget(self) -> None:
        self._trial = None
        files.remove(self._trial_file)

    def _left_over(self) -> dict[str, Any] | None:
        over = {
            "settings": {},
            "token": secrets.token_urlsafe(18),
            "in_use": True,
            "begins": 0.0,
            "until": 0.0,
        }
        try:
            found = files.read_json(self._trial_file)
        except ValueError as error:
            log.error("the note of a trial is damaged: the confirmed settings come back (%s)", error)
            return over
        return over if found is not None and not set(over) <= set(found) else found
