"""On the box: people at the simulated office's telephones. `python -m tests.image.inside.office STORY…`"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections import deque
from collections.abc import Callable

import numpy as np

from appliance.client import Message, OfficeClient, WireError
from appliance.paths import SHIPPED_PROMPTS, Home
from tests.image.inside.ear import Sound, digits, likeness, loudest, prompt, tone

HOME = Home.from_env()
PATIENCE_S = 300.0
CODE_DIGITS = 8


class Hand(threading.Thread):
    """Somebody who holds one telephone: speaks, listens, sees its state."""

    def __init__(self, telephone: str):
        """telephone: "caller:NAME" or "phone:EXTENSION"."""
        super().__init__(name=telephone, daemon=True)
        self._office = OfficeClient(HOME.office_socket, telephone)
        self._changed = threading.Condition()
        self._words: deque[bytes] = deque()
        self._blocks: list[bytes] = []
        self.state: Message = {}
        self.start()

    def run(self) -> None:
        try:
            while (message := self._office.receive()) is not None:
                with self._changed:
                    if "audio" in message:
                        self._blocks.append(message["audio"])
                        if self._words:
                            self._office.audio(self._words.popleft())
                    else:
                        self.state = message
                    self._changed.notify_all()
        except WireError:
            pass  # let go

    def do(self, action: str, **how: object) -> None:
        self._office.do(action, **how)

    def say(self, sound: Sound) -> None:
        """Begin to speak."""
        with self._changed:
            self._words += [
                sound[at : at + 160].tobytes().ljust(320, b"\0") for at in range(0, len(sound), 160)
            ]

    def until(self, what: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(what, PATIENCE_S), f"{self.name} waits in vain: {self.state}"

    def until_state(self, wanted: str) -> None:
        self.until(lambda: self.state.get("state") == wanted)

    def listen(self, seconds: float) -> Sound:
        """The next so many seconds that are heard."""
        begin = len(self._blocks)
        end = begin + round(50 * seconds)
        self.until(lambda: len(self._blocks) >= end)
        return np.frombuffer(b"".join(self._blocks[begin:end]), np.int16)

    def heard(self) -> Sound:
        """All that was heard so far."""
        return np.frombuffer(b"".join(self._blocks), np.int16)

    def let_go(self) -> None:
        self._office.close()


def claim_code(extension: str) -> dict[str, object]:
    """Lift a telephone of a box that nobody owns, and write down the code that it says first, in Chinese."""
    phone = Hand(f"phone:{extension}")
    phone.do("lift")
    heard = phone.listen(38)
    phone.do("hang_up")
    phone.until_state("idle")
    code, least = digits(heard, SHIPPED_PROMPTS / "zh", "zh", "claim_zh_code", CODE_DIGITS)
    return {"code": code, "least likeness": round(least, 2)}


def first_call(number: str, extension: str) -> dict[str, object]:
    """Somebody calls, hears greeting and menu, presses 1, waits with music, talks, and hangs up."""
    anna, phone = Hand("caller:Anna"), Hand(f"phone:{extension}")
    anna.do("call", line="L1", number=number, callerid="fsk")
    anna.until_state("talking")
    greeting = prompt(SHIPPED_PROMPTS / "en", "greeting")[:12000]
    # The box may have begun to speak before word of its answer was here.
    anna.listen(len(greeting) / 8000 + 1.5)
    told: dict[str, object] = {"greeting": likeness(anna.heard(), greeting)[0]}
    anna.do("press", keys="1")
    print("pressed", flush=True)
    # Somewhere in a piece of music that is longer than what is heard of it.
    music = prompt(SHIPPED_PROMPTS / "en", "music")
    heard = anna.listen(4)
    told["music"] = max(likeness(music, heard[at : at + 8000])[0] for at in (8000, 16000, 24000))
    phone.until(lambda: phone.state.get("display") is not None)
    told["display"] = phone.state["display"]
    phone.do("lift")
    phone.until_state("off_hook")
    phone.listen(1)
    anna.say(tone(700, 4))
    told["agent hears the caller"] = loudest(phone.listen(4), 700)
    phone.say(tone(1500, 4))
    told["caller hears the agent"] = loudest(anna.listen(4), 1500)
    anna.do("hang_up")
    anna.until_state("idle")
    phone.listen(2)
    phone.do("hang_up")
    phone.until_state("idle")
    return told


STORIES = {"claim_code": claim_code, "first_call": first_call}

if __name__ == "__main__":
    # Who is slow to listen misses blocks; telephones are not.
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(45))
    print(json.dumps(STORIES[sys.argv[1]](*sys.argv[2:])))
