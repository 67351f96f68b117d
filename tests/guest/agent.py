"""Inside the guest: runs test bodies that the host names, each in a process of its own.

JSON lines on the second serial port. Host: `{"module", "name", "timeout_s"}`. Guest: `{"ready": …}`
once, then `{"ok", "value", "text"}` for each; `text` is the traceback or the output.
"""

import faulthandler
import importlib
import json
import os
import select
import signal
import sys
import time
import traceback
import tty

import numpy as np

PORT = "/dev/ttyS1"
MOST_TEXT = 20000


def main():
    port = os.open(PORT, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(port)
    say(port, {"ready": os.uname().release, "numpy": np.__version__})
    waiting = b""
    while True:
        waiting += os.read(port, 4096)
        while b"\n" in waiting:
            line, _, waiting = waiting.partition(b"\n")
            wish = json.loads(line)
            if wish.get("end"):
                return 0
            say(port, run(wish["module"], wish["name"], wish["timeout_s"]))


def say(port, message):
    data = json.dumps(message).encode() + b"\n"
    while data:
        data = data[os.write(port, data) :]


def run(module, name, timeout_s):
    """One body in a child; killed when it takes too long. Modules are imported here, so only once."""
    try:
        wanted = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, SyntaxError):
        return {"ok": False, "value": None, "text": traceback.format_exc(), "elapsed_s": 0.0}
    begun = time.monotonic()
    ours, theirs = os.pipe()
    output = os.memfd_create("output")
    child = os.fork()
    if child == 0:
        os.setsid()
        os.close(ours)
        os.dup2(output, 1)
        os.dup2(output, 2)
        faulthandler.enable()
        os._exit(body(theirs, wanted.body))
    os.close(theirs)
    result, late = b"", False
    while True:
        left_s = begun + timeout_s - time.monotonic()
        if left_s <= 0:
            late = True
            break
        if select.select([ours], [], [], left_s)[0]:
            data = os.read(ours, 65536)
            if not data:
                break
            result += data
    os.close(ours)
    kill_group(child)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    text = os.pread(output, 1 << 20, 0).decode("utf-8", "replace")[-MOST_TEXT:]
    os.close(output)
    if result:
        answer = json.loads(result)
        answer["text"] = answer["text"] + text if not answer["ok"] else text
    else:
        why = f"took longer than {timeout_s} s" if late else f"ended without a result (status {status})"
        answer = {"ok": False, "value": None, "text": f"{module}.{name} {why}\n{text}"}
    answer["elapsed_s"] = round(time.monotonic() - begun, 3)
    return answer


def kill_group(child):
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        return


def body(result, what):
    try:
        value = what()
        answer = {"ok": True, "value": value, "text": ""}
    except BaseException:
        answer = {"ok": False, "value": None, "text": traceback.format_exc()[-MOST_TEXT:]}
    sys.stdout.flush()
    sys.stderr.flush()
    data = json.dumps(answer).encode()
    while data:
        data = data[os.write(result, data) :]
    return 0


if __name__ == "__main__":
    sys.exit(main())
