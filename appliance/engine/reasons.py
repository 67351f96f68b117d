"""Why a file could not be read or written, and what to do about it, for people."""

from __future__ import annotations

import errno

_ADVICE = {
    errno.ENOSPC: "the disk is full: delete what is no longer needed, such as old recordings",
    errno.EDQUOT: "the disk is full: delete what is no longer needed, such as old recordings",
    errno.EROFS: "the disk is read-only: restart the box, and if that does not help have the disk checked",
    errno.EACCES: "its folder may not be written: give it to the user that the box runs as",
    errno.EPERM: "its folder may not be written: give it to the user that the box runs as",
    errno.ENOTDIR: "a file lies where its folder should be: move that file away",
    errno.EEXIST: "a file lies where its folder should be: move that file away",
    errno.EFBIG: "the file has reached the largest size allowed",
    errno.EIO: "the disk reports errors: save the data that matters and have the disk replaced",
}


def reason_text(error: OSError) -> str:
    """One clause: the reason, a colon, what to do."""
    return _ADVICE.get(error.errno or 0, error.strerror or str(error))
