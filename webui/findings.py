"""What the health checks found, and what went wrong with a backup, in the reader's language.

The sentences of the checks are written in `appliance/services/checks`, one file each; `build_translations`
collects them from there.
"""

from __future__ import annotations

from typing import Any

from webui import problems
from webui.sentences import in_words
from webui.tongue import gettext as say
from webui.tongue import lazy_gettext as _l

REPAIR: dict[str, Any] = {
    "restore_newest": _l("Restore the newest backup"),
    "republish_plan": _l("Try again"),
    "free_recordings": _l("Remove the oldest recordings"),
    "make_backup": _l("Make a backup now"),
    "verify_backups": _l("Verify all backups"),
    "dismiss_returned": _l("I have seen it"),
    "dismiss_restore": _l("I have seen it"),
    "dismiss_fall_back": _l("I have seen it"),
    "close_ssh": _l("Close remote support"),
    "forget_recovery": _l("I have seen it"),
    "renew_certificate": _l("Renew the certificate"),
}
ASK: dict[str, Any] = {
    "restore_newest": _l("Replace the damaged database by the newest good backup?"),
    "free_recordings": _l(
        "Delete the oldest recordings that are not starred until the disk is below its warning?"
    ),
}
"""Repairs that ask first."""

JOB: dict[str, Any] = {
    **REPAIR,
    "backup_make": _l("Making a backup"),
    "backup_verify": _l("Verifying a backup"),
    "backup_copy": _l("Copying a backup"),
    "share_try": _l("Trying the network share"),
    "share_look": _l("Looking for backups on the network share"),
    "restore_prepare": _l("Making a backup ready to be restored"),
    "restore_commit": _l("Restoring"),
    "support": _l("Collecting the support bundle"),
}
STEP: dict[str, Any] = {
    "database": _l("copying the database"),
    "writing": _l("writing"),
    "verifying": _l("verifying"),
    "copying": _l("copying"),
    "unpacking": _l("unpacking"),
    "migrating": _l("bringing it up to this version"),
}
PROBLEM: dict[str, Any] = {
    "truncated": _l(
        "The file is not complete: its end is missing, as when a copy was interrupted. Copy it again "
        "or use another backup. Nothing was changed."
    ),
    "tampered": _l(
        "The file has been changed or damaged since it was made. Use another backup. Nothing was changed."
    ),
    "forged": _l(
        "This file was not made by a box that has this recovery key, although it is encrypted for it: "
        "somebody else has made or changed it. Use another backup. Nothing was changed."
    ),
    "not_a_backup": _l("This file is no backup of this product."),
    "newer_format": _l("This backup was made by a newer version. Install that version first."),
    "newer_schema": _l(
        "This backup was made by a newer version than the one that runs here. Install that version "
        "first, then restore. Nothing was changed."
    ),
    "foreign_key": _l(
        "This backup was made by another box. Type the recovery key from the paper of that box. "
        "Nothing was changed."
    ),
    "wrong_passphrase": _l("This is not the passphrase of this backup. Nothing was changed."),
    "no_passphrase": _l("This backup has no passphrase; it is opened with the recovery key."),
    "bad_key": _l(
        "This is no recovery key. It begins with AGE-SECRET-KEY-1 and has 74 characters; compare it "
        "with the paper."
    ),
    "no_key": _l("This box has no recovery key yet."),
    "key_unreadable": _l(
        "The recovery key of this box cannot be read. Restart the box so that its disk is checked."
    ),
    "key_unwritable": _l("The recovery key cannot be written, so no backup can be made. Check the disk."),
    "no_space": _l(
        "There is not enough room. Delete old backups or recordings, or use a larger USB stick. "
        "Nothing was changed."
    ),
    "disk": _l(
        "The disk did not do what was asked. Restart the box so that it is checked; if this happens "
        "again, the disk should be replaced."
    ),
    "database_damaged": _l("The database in question is damaged. Restore the last good backup."),
    "store_away": _l("The database cannot be used at present."),
    "not_found": _l("There is no such backup there any more."),
    "not_ready": _l("No backup has been made ready. Choose one first."),
    "not_needed": _l("The database is in order. Choose a backup from the list instead."),
    "nothing_to_free": _l(
        "No recording may be deleted: all that are left are starred. Delete backups instead."
    ),
    "stick_gone": _l("The USB stick is not there any more or failed. Put it in again."),
    "stick_bad": _l(
        "What was read back from the USB stick differs from what was written. Use another stick."
    ),
    "stick_small_files": _l(
        "The USB stick takes no file larger than 4 GB. Make the backup without recordings, or format "
        "the stick as exFAT."
    ),
    "no_daemon": _l("A network share can be used on the flashed box only."),
    "daemon_away": _l("The system service does not answer and is started anew. Try again in a minute."),
    "share_unset": _l("No share has been named yet. Write its server and its name."),
    "share_no_password": _l("The password of the share is missing. Type it again."),
    "share_name_unknown": _l(
        "Nobody in this network knows a computer of that name. Check the name, or write its address instead."
    ),
    "share_unreachable": _l(
        "The server of the share cannot be reached. Check that it is switched on, in the same network, and "
        "shares files: %(detail)s"
    ),
    "share_protocol": _l(
        "The server answered and then broke off, or it does not speak SMB 2 or newer. Look for that in its "
        "settings. (%(detail)s)"
    ),
    "share_wrong_password": _l(
        "The server does not accept this user and password. Type them again; look on the server whether "
        "the user is locked. (%(detail)s)"
    ),
    "share_forbidden": _l(
        "The password is right, but this user may not use the share. Allow it on the server, or take "
        "another user."
    ),
    "share_missing": _l("The server has no share of this name. Compare it with the server's list."),
    "share_refused": _l("The share cannot be used: %(detail)s"),
    "share_read_only": _l("The user may read on the share but not write. Allow writing on the server."),
    "share_full": _l("The share is full. Delete something on it, or choose another."),
    "share_bad": _l(
        "What was read back from the share differs from what was written. Have the disks of the server "
        "checked."
    ),
    "share_small_files": _l("The share takes no file of this size. Make the backup without recordings."),
    "share_gone": _l(
        "The connection to the share was lost in the middle. Nothing that looks like a whole backup was "
        "left there."
    ),
    "share_silent": _l(
        "The server of the share did not answer for %(detail)s seconds, so this was given up. Check that it "
        "is switched on and the network works, then try again. Nothing that looks like a whole backup was "
        "left there."
    ),
    "busy": _l("Something else is being done. Wait until it has ended."),
    "unknown_repair": _l("The box does not know this repair. Reload the page."),
}


def problem_words(problem: dict[str, Any] | None) -> str:
    """What went wrong, "" when nothing did."""
    if not problem:
        return ""
    known = PROBLEM.get(str(problem.get("code", "")))
    if known is None:
        return in_words(str(problem.get("text", "")))
    return str(known).replace("%(detail)s", str(problem.get("detail", "")))


def _param_words(value: Any) -> Any:
    """Sentences of our own rooms, codes of why a version was left, and problems of the system daemon."""
    if isinstance(value, dict) and "code" in value:
        return problems.in_words(value)
    if not isinstance(value, str):
        return value
    return problems.reason(value) if value in problems.REASONS else in_words(value)


def finding_words(finding: dict[str, Any]) -> dict[str, Any]:
    """A finding with `text` and `advice` in the reader's language, `button` and `ask` for its repair."""
    params = {key: _param_words(value) for key, value in finding["params"].items()}
    if "code" in params:
        params["problem"] = problem_words(params | {"text": params["problem"]})
    repair = finding["repair"]
    return finding | {
        "text": say(finding["text"], **params),
        "advice": say(finding["advice"], **params) if params else say(finding["advice"]).replace("%%", "%"),
        "button": str(REPAIR.get(repair, "")),
        "ask": str(ASK.get(repair, "")),
    }
