"""The text menu on the screen and the serial port: numbers, no cursor keys."""

from __future__ import annotations

from typing import TextIO

from recovery.choices import CHOICES, Choice
from recovery.desk import Desk
from recovery.refused import Refused
from recovery.words import ACTIONS, LANGUAGES, problem, say


class Menu:
    """One terminal."""

    def __init__(
        self, desk: Desk, keys: TextIO, screen: TextIO, addresses: list[str], language: str = "en"
    ) -> None:
        self._desk = desk
        self._keys = keys
        self._screen = screen
        self._addresses = addresses
        self.language = language

    def show(self) -> None:
        """The whole menu."""
        lines = ["", f"  {say('title', self.language)}"]
        serial = self._desk.box.serial
        lines.append(
            f"  {say('serial', self.language)}: {serial}" if serial else f"  {say('no_box', self.language)}"
        )
        if self._addresses:
            pages = "  ".join(f"http://{address}/" for address in self._addresses)
            lines.append(f"  {say('page_at', self.language)}: {pages}")
            lines.append(f"  {say('code', self.language)}: {self._desk.code}")
        left = self._desk.retry_in_s()
        if left is not None:
            minutes = f"{int(left / 60) + 1} {say('minutes', self.language)}"
            lines.append(f"  {say('retry', self.language)} {minutes}")
        lines.append("")
        lines += [f"  {n:>2}  {ACTIONS[one.key][self.language]}" for n, one in enumerate(CHOICES, 1)]
        lines += ["", f"  {say('language', self.language)}", f"  {say('choose', self.language)}: "]
        self._say("\n".join(lines), end="")

    def run(self) -> None:
        """Until the terminal goes."""
        while True:
            self.show()
            line = self._keys.readline()
            if not line:
                return
            self._desk.touch()
            self.take(line.strip())

    def take(self, typed: str) -> None:
        """One line of the user."""
        if typed.lower() == "l":
            names = list(LANGUAGES)
            self.language = names[(names.index(self.language) + 1) % len(names)]
        elif typed.isdecimal() and 1 <= int(typed) <= len(CHOICES):
            self._choose(CHOICES[int(typed) - 1])

    def _choose(self, choice: Choice) -> None:
        answers = {ask: self._ask(say(ask, self.language)) for ask in choice.asks}
        try:
            what = self._desk.plan(choice, answers)
            self._say(f"\n  {say('will', self.language)}: {what}")
            if choice.serial:
                answers["serial"] = self._ask(say("type_serial", self.language))
            elif self._ask(say("sure", self.language)).lower() != "yes":
                return
            result = self._desk.do(choice, answers, "menu")
        except Refused as refused:
            result = {"ok": False, "code": refused.code, "text": refused.text}
        if result["ok"]:
            self._say(f"  {say('done', self.language)} {self._desk.told}")
        else:
            why = problem(result["code"], result["text"], self.language)
            self._say(f"  {say('not_done', self.language)}: {why}")

    def _ask(self, question: str) -> str:
        self._say(f"  {question}: ", end="")
        return self._keys.readline().strip()

    def _say(self, text: str, end: str = "\n") -> None:
        self._screen.write(text + end)
        self._screen.flush()
