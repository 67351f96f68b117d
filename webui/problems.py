"""Problems that the box's own programs name by a code, in the reader's language."""

from __future__ import annotations

from typing import Any

from webui.sentences import N_
from webui.tongue import gettext

WORDS: dict[str, str] = {
    "no_daemon": N_(
        "This is only on the flashed box. Here the product runs on a machine of yours, which looks "
        "after itself."
    ),
    "daemon_away": N_("The system service does not answer and is started anew. Try again in a few seconds."),
    "control_away": N_("The call service is away; try again in a few seconds. Telephones still work."),
    "failed": N_("The box could not do it: %(detail)s"),
    "bad_request": N_("This page does not fit the system; load it anew."),
    "unknown_method": N_("This page does not fit the system; load it anew."),
    # Network
    "network_form": N_("This page does not fit the system; load it anew."),
    "bad_hostname": N_("The name may have letters a to z, digits and hyphens inside, at most 63."),
    "no_interface": N_("This box has no such network socket."),
    "which_interface": N_("A fixed address belongs to one network socket: choose which."),
    "no_address": N_("With both off nobody could reach the box; leave one on."),
    "bad_method": N_("Choose one of the list."),
    "bad_address": N_("Write address and length of the network, such as %(example)s."),
    "special_address": N_("This address has a special meaning and cannot be the box’s own."),
    "bad_length": N_("The length of the network leaves no room for a neighbour; usual is /24."),
    "network_address": N_("This is the network’s own address; choose one inside it."),
    "broadcast_address": N_("This is the address of all in the network; choose one inside it."),
    "public_address": N_("This is an address of the internet; the box is for the local network only."),
    "bad_gateway": N_("The router’s address is no address of this kind."),
    "gateway_is_self": N_("This is the box’s own address; write the router’s."),
    "gateway_outside": N_("The router is not in the box’s own network %(network)s."),
    "bad_dns": N_("A name server is written as an address, such as 192.168.1.1."),
    "too_many_dns": N_("At most %(most)s name servers."),
    "network_refused": N_("The network service refused: %(detail)s"),
    "trial_over": N_("The time to confirm is over; the former settings are back."),
    "trial_not_begun": N_("The new settings are not in use yet; try again in a moment."),
    "wrong_token": N_("These are not the settings that are on trial."),
    # Time
    "bad_zone": N_("There is no such time zone; choose one of the list."),
    "bad_server": N_("A time server is a name or an address, such as ntp.aliyun.com."),
    "too_many_servers": N_("At most %(most)s time servers."),
    "bad_time": N_("This time cannot be right; check the year."),
    "clock_follows_network": N_("The clock follows a time server; switch that off to set it by hand."),
    "time_refused": N_("The time service did not start; look into the log."),
    # Remote support
    "bad_key": N_("Give the whole line of one public key, such as “ssh-ed25519 AAAA… name”."),
    "private_key": N_(
        "This is a private key: it must never leave its owner. Ask for the line of the .pub file."
    ),
    "weak_key": N_("This RSA key is too short; better take ssh-ed25519."),
    "ssh_refused": N_("Remote support could not be opened; look into the log."),
    "no_host_key": N_("Remote support could not be opened; look into the log."),
    # Updates
    "bad_source": N_("An update comes from an upload, a stick or an address."),
    "bad_name": N_("An update is a file whose name ends in .raucb."),
    "bad_stick": N_("The stick is not there any more; plug it in again."),
    "bad_url": N_("Write the whole address, such as https://example.com/zongji.raucb."),
    "bad_url.unfit": N_(
        "An address with a user name, a password, spaces or control characters is not taken."
    ),
    "no_file": N_("The update is not there any more; bring it again."),
    "stick_gone": N_("The stick is not there any more; plug it in again."),
    "stick_pulled": N_("The stick could not be read to the end: leave it plugged in and try again."),
    "stick_busy": N_("The stick is in use; wait until the copy is done."),
    "download_failed": N_("The update could not be fetched: %(detail)s"),
    "download_failed.cut": N_("The connection ended before the update was whole; fetch it again."),
    "download_failed.answer": N_(
        "The update could not be fetched: what answers at this address is no web server as it should be "
        "(%(detail)s)."
    ),
    "disk_failed": N_("The box’s own disk could not take the update: %(detail)s. Nothing was changed."),
    "bundle_truncated": N_("This is no whole update file; fetch it again."),
    "bundle_unsigned": N_(
        "The update bears no signature: nobody has signed it, or its end is missing. It was refused and "
        "nothing was changed. Fetch it again, or ask its maker for a signed one."
    ),
    "bundle_tampered": N_(
        "The update was changed after it was signed. It was refused and nothing was changed."
    ),
    "bundle_foreign": N_(
        "The update is not signed by this product’s maker. It was refused and nothing was changed."
    ),
    "bundle_clock": N_(
        "The update was signed at a time at which its certificate was not valid. Nothing was changed: ask "
        "the maker for an update signed anew."
    ),
    "bundle_unreadable": N_("The update’s description cannot be read; fetch it again."),
    "bundle_refused": N_("The update cannot be read: %(detail)s"),
    "wrong_product": N_("This update is for another product (%(theirs)s)."),
    "wrong_hardware": N_("This update is for other hardware (%(theirs)s); this box has %(ours)s."),
    "downgrade": N_(
        "Version %(theirs)s is older than %(ours)s, which runs now. What was entered since may not be "
        "seen by the older one."
    ),
    "downgrade.reinstall_same": N_(
        "Version %(theirs)s would be written, which is older than %(ours)s, which runs now. Settings, calls "
        "and recordings stay. Agree to it if that is meant."
    ),
    "downgrade.reinstall_copy": N_(
        "Version %(theirs)s would be written (%(ours)s runs now). It does not know the present database and "
        "uses the last one that it knows, of %(day)s, with the calls of the last 30 days added; what else "
        "was entered since is not seen. The present database is kept, and used again when a newer version is "
        "installed. Recordings stay as files. Agree to it if that is meant."
    ),
    "downgrade.reinstall_none": N_(
        "Version %(theirs)s would be written (%(ours)s runs now). It does not know the present database, and "
        "there is none that it knows: its pages show maintenance until a newer version is installed or a "
        "backup that it knows is restored. The present database is kept; recordings stay as files. Agree to "
        "it if that is meant."
    ),
    "too_large": N_("This file is too large for an update of this box."),
    "no_space": N_("There is not enough room for the update: delete recordings or old updates first."),
    "update_running": N_("An update is being installed already."),
    "no_job": N_("No update is being installed."),
    "too_late": N_("The update is being written and is not interrupted any more."),
    "install_failed": N_("The update could not be installed: %(detail)s. Nothing was changed."),
    "write_failed": N_(
        "The update could not be written: %(detail)s. The running version goes on, but there is no other one "
        "to go back to until an update succeeds."
    ),
    "update_failed": N_("The update failed: %(detail)s. The running version was not changed."),
    "interrupted": N_("The update was interrupted. Nothing was changed; start it again."),
    "interrupted_writing": N_(
        "The update was interrupted while it was written. The running version goes on, but there is no other "
        "one to go back to until an update succeeds; start it again."
    ),
    "fault_unreadable": N_(
        "What was noted of it cannot be read (%(detail)s). The history of updates may name it."
    ),
    # The box
    "engine_refused": N_("The call engine did not start; look into the log."),
    "recovery_unfinished": N_(
        "What the recovery system has begun must be finished first: start the box from the recovery stick."
    ),
    "wrong_serial": N_("This is not the serial number of this box."),
    "not_down": N_("The box does not go down; look into the log."),
    "no_log": N_("The log cannot be read."),
    "no_support": N_("The support bundle was not made; look into the log."),
    "stick_format": N_("The stick has a format that the box cannot read: use FAT32 or exFAT."),
    "stick_damaged": N_("The stick is damaged: check it on a computer."),
    "stick_unreadable": N_("The stick cannot be read: pull it and plug it in again."),
}

STATES: dict[str, str] = {
    "network_settings_damaged": N_(
        "The network settings were damaged; DHCP is used. Set them anew on the page Network."
    ),
    "network_socket_gone": N_("The network socket of the settings is gone; DHCP is used."),
    "network_refused": N_(
        "The network service refused the new settings; the former ones are in use. The log has the reason."
    ),
}
"""States that the box found when it started."""

REASONS: dict[str, str] = {
    "never_started": N_("it did not start far enough to tell why"),
    "stopped_without_a_word": N_("it started, and stopped without telling why"),
    "boot_state_lost": N_("both copies of the boot state were lost; it is tried again at the next restart"),
}
"""Why a version was left; anything else is shown as it came from the log."""


def in_words(problem: dict[str, Any]) -> str:
    """One problem; one that has no words of ours is shown as it came."""
    code, params = str(problem.get("code")), problem.get("params")
    why = params.get("why") if isinstance(params, dict) else None
    found = WORDS.get(f"{code}.{why}") or WORDS.get(code)
    if found is None:
        if isinstance(params, dict) and isinstance(params.get("problems"), list):
            return " ".join(in_words(one) for one in params["problems"])
        return str(problem.get("message") or problem.get("code"))
    values = {"detail": problem.get("message", "")} | (params if isinstance(params, dict) else {})
    try:
        return gettext(found, **values)
    except KeyError:
        return str(problem.get("message") or problem.get("code"))


def state(code: str) -> str:
    """A state of the box in words."""
    return gettext(STATES[code]) if code in STATES else code


def reason(code: str) -> str:
    """Why a version was left, in words."""
    return gettext(REASONS[code]) if code in REASONS else code
