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
    "backup_copy": _l("Copying to the USB stick"),
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
    "busy": _l("Something else is being done. Wait until it has ended."),
    "unknown_repair": _l("The box does not know this repair. Reload the page."),
}


def problem_words(problem: dict[str, Any] | None) -> str:
    """What went wrong, "" when nothing did."""
    if not problem:
        return ""
    known = PROBLEM.get(str(problem.get("code", "")))
    return str(known) if known is not None else in_words(str(problem.get("text", "")))


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
        params["problem"] = problem_words({"code": params["code"], "text": params["problem"]})
    repair = finding["repair"]
    return finding | {
        "text": say(finding["text"], **params),
        "advice": say(finding["advice"], **params) if params else say(finding["advice"]).replace("%%", "%"),
        "button": str(REPAIR.get(repair, "")),
        "ask": str(ASK.get(repair, "")),
    }
