"""How fast the screen pops: from the end of the caller ID on the line to the agent's browser.

A real box, a real browser. Line 1 goes straight to telephone 801, so that nothing but the box lies between
the caller ID and the offer. Both ends are read from the same clock: the engine's (Unix time) for the last bit
of the caller ID, the browser's for the moment its page changed.
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import numpy as np

from appliance.client import ControlClient, OfficeClient
from appliance.paths import Home
from appliance.store import open_store
from tests.appliance.newcomer import Person, chromium
from tests.appliance.running_box import Box

WATCH_NUMBER = """() => {
  const number = document.getElementById("call-number");
  window.pops = [];
  new MutationObserver(() => window.pops.push([number.textContent, Date.now() / 1000]))
    .observe(number, { childList: true, characterData: true, subtree: true });
}"""


def pop_latency(calls: int) -> None:
    """Print the delays of that many calls, half with FSK and half with DTMF caller ID."""
    with tempfile.TemporaryDirectory() as root, chromium() as browser:
        box = Box(Path(root) / "box")
        try:
            delays_ms = list(_delays_ms(box, browser, calls))
        finally:
            box.interrupt()
            box.clean_up()
    print(
        f"  caller ID's last bit to the agent's browser, {len(delays_ms)} calls: "
        f"median {np.median(delays_ms):.0f} ms, most {max(delays_ms):.0f} ms (target 300)"
    )


def _delays_ms(box: Box, browser, calls: int):
    address = box.wait_printed(r"ready:\s+(http://\S+)\s")[1]
    owner = Person(browser, address)
    owner.claim(box.wait_printed(r"Claim code[^:]*:\s+(\d+)\s")[1])
    owner.add_agent_user("wang", "1001", "en")
    home = Home(box.home)
    store = open_store(home.database)
    store.lines.put({"id": "L1", "flow": "", "extension": "801"})
    ControlClient(home.control_socket).call("plan_changed")
    agent = Person(browser, address)
    agent.sign_in("wang")
    agent.take_a_seat("801")
    page = agent.page
    page.evaluate(WATCH_NUMBER)
    for index in range(calls):
        number = f"139{index:08d}"
        with OfficeClient(home.office_socket, "caller:Bench") as caller:
            _call(page, caller, number, ("fsk", "dtmf")[index % 2])
            seen = "number => window.pops.find(([text]) => text.replace(/\\D/g, '').endsWith(number))?.[1]"
            popped_at = page.wait_for_function(seen, arg=number, timeout=60_000).json_value()
            caller.do("hang_up")
            page.wait_for_function("() => !document.querySelector('#my-state.tone-ring')", timeout=60_000)
        record = _record(page, store, number)
        step = next(step for step in record["steps"] if step["what"] == "callerid")
        yield (popped_at - (step["at"] - step["latency_s"])) * 1000


def _call(page, caller: OfficeClient, number: str, callerid: str) -> None:
    """Call until it rings: the exchange needs a moment before a line that was hung up is free again."""
    while True:
        caller.do("call", line="L1", number=number, name="", callerid=callerid)
        while (state := (caller.receive(10.0) or {}).get("state")) not in ("calling", "busy_tone"):
            pass
        if state == "calling":
            return
        caller.do("hang_up")
        page.wait_for_timeout(200)


def _record(page, store, number: str) -> dict:
    """The finished record; control writes it when the call has ended."""
    while True:
        rows, _ = store.calls.search(number=re.sub(r"\D", "", number))
        if rows and rows[0].get("ended_at"):
            return store.calls.get(rows[0]["id"])
        page.wait_for_timeout(100)
