"""The text menu on the screen and the serial port: numbers, no cursor keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

from recovery.choices import CHOICES, Choice
from recovery.desk import Desk, Result
from recovery.refused import Changed, Refused
from recovery.words import ACTIONS, LANGUAGES, problem, say, step_name


class Menu:
    """One terminal. addresses: where the page is now; none while the network or the page is not there yet.
    fingerprint: of the page's certificate. languages: that the terminal can show."""

    def __init__(
        self,
        desk: Desk,
        keys: TextIO,
        screen: TextIO,
        addresses: Callable[[], list[str]],
        language: str = "en",
        fingerprint: str = "",
        languages: tuple[str, ...] = tuple(LANGUAGES),
    ) -> None:
        self._desk = desk
        self._keys = keys
        self._screen = screen
        self._addresses = addresses
        self._fingerprint = fingerprint
        self._shown: tuple[list[str], bool] = ([], False)
        self._waits = False
        self._languages = languages
        self.language = language

    def show(self) -> None:
        """The whole menu."""
        lines = ["", f"  {say('title', self.language)}"]
        serial = self._desk.box.serial
        if serial:
            lines.append(f"  {say('serial', self.language)}: {serial}")
        else:
            lines.append(f"  {say(self._desk.box.nameless, self.language)}")
        self._shown = self._state()
        addresses, busy = self._shown
        if addresses:
            pages = "  ".join(f"https://{address}/" for address in addresses)
            lines.append(f"  {say('page_at', self.language)}: {pages}")
            lines.append(f"  {say('fingerprint', self.language)}:")
            middle = len(self._fingerprint) // 2 + 1
            lines += [f"    {part}" for part in (self._fingerprint[:middle], self._fingerprint[middle:])]
            lines.append(f"  {say('code', self.language)}: {self._desk.code}")
        if busy and self._desk.step is not None:
            lines.append(f"  {say('busy', self.language)}: {step_name(self._desk.step[0], self.language)}")
        left = self._desk.retry_in_s()
        if left is not None:
            minutes = f"{int(left / 60) + 1} {say('minutes', self.language)}"
            lines.append(f"  {say('retry', self.language)} {minutes}")
        lines.append("")
        lines += [f"  {n:>2}  {ACTIONS[one.key][self.language]}" for n, one in enumerate(CHOICES, 1)]
        lines.append("")
        if len(self._languages) > 1:
            lines.append(f"  {say('language', self.language)}")
        lines.append(f"  {say('choose', self.language)}: ")
        self._say("\n".join(lines), end="")

    def look(self) -> None:
        """Show the menu anew when nobody is in the middle of it and there is something new: the page's
        address, or that what was being done has ended."""
        if self._waits and self._state() != self._shown:
            self.show()

    def _state(self) -> tuple[list[str], bool]:
        return self._addresses(), self._desk.busy

    def run(self) -> None:
        """Until the terminal goes."""
        while True:
            self.show()
            self._waits = True
            line = self._keys.readline()
            self._waits = False
            if not line:
                return
            self._desk.touch()
            self.take(line.strip())

    def take(self, typed: str) -> None:
        """One line of the user."""
        if typed.lower() == "l":
            names = self._languages
            self.language = names[(names.index(self.language) + 1) % len(names)]
        elif typed.isdecimal() and 1 <= int(typed) <= len(CHOICES):
            self._choose(CHOICES[int(typed) - 1])

    def _choose(self, choice: Choice) -> None:
        answers = {ask: self._ask(say(ask, self.language)) for ask in choice.asks}
        try:
            result = self._agree(choice, answers)
            if result is None:
                return
        except Refused as refused:
            result = {"ok": False, "code": refused.code, "text": refused.text}
        if result["ok"]:
            self._say(f"  {say('done', self.language)} {self._desk.told}".rstrip())
        else:
            why = problem(result["code"], result["text"], self.language)
            self._say(f"  {say('not_done', self.language)}: {why}")

    def _agree(self, choice: Choice, answers: dict[str, str]) -> Result | None:
        """Show the plan, ask, do it; again when it is another one meanwhile. None: nobody wants it. Raises
        Refused."""
        what = self._desk.plan(choice, answers)
        while True:
            self._say(f"\n  {say('will', self.language)}: {what.say(self.language)}")
            if choice.serial:
                asks = "type_serial" if self._desk.box.serial else "type_yes"
                answers["serial"] = self._ask(say(asks, self.language))
            elif self._ask(say("sure", self.language)).lower() != "yes":
                return None
            try:
                return self._desk.do(choice, answers, what.mark, "menu")
            except Changed as changed:
                what = changed.plan
                self._say(f"\n  {say('changed', self.language)}")

    def _ask(self, question: str) -> str:
        self._say(f"  {question}: ", end="")
        return self._keys.readline().strip()

    def _say(self, text: str, end: str = "\n") -> None:
        self._screen.write(text + end)
        self._screen.flush()
