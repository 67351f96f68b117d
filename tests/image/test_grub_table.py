"""The boot loader's decision table, walked row by row by the real GRUB (OVMF, no kernel).

One start of GRUB reads the functions of image/boot/grub.cfg and walks every row: it reads the row's two
state files, decides, and writes them. Only starting a kernel is replaced by a word on the serial line.
What is expected comes from the model below, which is written from the rules of docs/release.md alone.
Further tests let the whole configuration run on a disk where nothing can be started, with EFI and BIOS.
"""

import itertools
import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from image.box import bootstate
from image.box.bootstate import Slot, State
from image.build import disk
from tests.image.vm import Vm, run

REPOSITORY = Path(__file__).resolve().parents[2]
GRUB_CONFIG = REPOSITORY / "image" / "boot" / "grub.cfg"
CUT = "# --- from here on things happen ---"
FILES = (*bootstate.COPIES, bootstate.TURN)
PARTS = {"A": "gpt4", "B": "gpt5", "recovery": "gpt3"}

# --- the rows ----------------------------------------------------------------------------------------------

DAMAGES = (
    *("none", "first zeroed", "second zeroed", "both zeroed", "first torn", "second torn", "second older"),
    *("equal", "first garbage value", "second too many tries", "second of an earlier version"),
)


TURNS = (*(bootstate.encode_turn(which) for which in ("A", "B", "recovery", "C")), bytes(1024), b"", None)
"""What the turn may say; None: there is no such file."""


@dataclass(frozen=True)
class Row:
    """State files and which kernels can be loaded."""

    state: State
    damage: str
    loadable: frozenset[str]
    key: bool = False
    turn: bytes | None = bootstate.encode_turn()

    def copies(self):
        """The two files' bytes: the second copy is the newer one, unless the damage says otherwise."""
        older = replace(self.state, seq=self.state.seq - 1, order=("B",), recovery=not self.state.recovery)
        first, second = bootstate.encode(older), bootstate.encode(self.state)
        match self.damage:
            case "first zeroed":
                first = bytes(1024)
            case "second zeroed":
                first, second = bootstate.encode(self.state), bytes(1024)
            case "both zeroed":
                first, second = bytes(1024), bytes(1024)
            case "first torn":
                first = first[:300] + bytes(724)
                first = first.replace(b"RECOVERY", b"\0\0\0\0\0\0\0\0")
            case "second torn":
                first, second = bootstate.encode(self.state), second[:40] + bytes(984)
            case "second older":
                first, second = bootstate.encode(self.state), first
            case "equal":
                first = second
            case "first garbage value":
                first = first.replace(b"ORDER=B", b"ORDER=C")
            case "second of an earlier version":
                second = re.sub(rb"R_TRY=.\n", b"", second).ljust(1024, b"#")
            case "second too many tries":
                first, second = (
                    bootstate.encode(self.state),
                    re.sub(rb"A_TRY=.", b"A_TRY=7", bootstate.encode(self.state)),
                )
        return first, second


def rows():
    """Every combination, and the sequence numbers that carry."""
    everything = frozenset({"A", "B", "recovery"})
    kernels = [frozenset(some) for n in range(4) for some in itertools.combinations(sorted(everything), n)]
    for a_try, b_try, order, recovery, loadable in itertools.product(
        (0, 1, 3), (0, 2), (("A",), ("B",), ("A", "B"), ("B", "A")), (False, True), kernels
    ):
        state = State(41, order, Slot(True, a_try), Slot(False, b_try), recovery)
        yield Row(state, "none", loadable)
    for damage, a_try, b_try, order, recovery, key in itertools.product(
        DAMAGES, (0, 2), (0, 3), (("A", "B"), ("B", "A")), (False, True), (False, True)
    ):
        yield Row(State(9, order, Slot(True, a_try), Slot(True, b_try), recovery), damage, everything, key)
    for r_try, a_try, b_try, order, recovery, loadable in itertools.product(
        (0, 1, 2), (0, 1), (0, 1), (("A",), ("B", "A")), (False, True), kernels
    ):
        yield Row(State(41, order, Slot(True, a_try), Slot(True, b_try), recovery, r_try), "none", loadable)
    for recovery, loadable in itertools.product((False, True), kernels):
        state = State(41, ("B", "A"), Slot(True, 0), Slot(True, 1), recovery)
        yield Row(state, "none", loadable, True)
    for turn, loadable in itertools.product(TURNS, kernels):
        yield Row(State(5, ("A", "B"), Slot(True, 3), Slot(True, 3)), "both zeroed", loadable, turn=turn)
    for loadable in kernels:
        yield Row(State(5, ("A", "B"), Slot(True, 3), Slot(True, 3)), "first zeroed", loadable)
    for seq in (1, 8, 9, 10, 19, 99, 109, 999, 4711, 99_999, 123_456_789, 199_999_999):
        yield Row(State(seq, ("A", "B"), Slot(True, 3), Slot(True, 3)), "none", everything)


# --- the model ---------------------------------------------------------------------------------------------


def expected(row, blocks=None, turn=None):
    """What is started (attempts, of which the last one succeeds); the state files and the turn after it."""
    blocks = list(row.copies() if blocks is None else blocks)
    copies = [bootstate.decode(block) for block in blocks]
    attempts = []
    turn = row.turn if turn is None else turn

    def start(what):
        attempts.append(what)
        return what in row.loadable

    def anything():
        return start("recovery") or start("A") or start("B") or attempts.append("nothing")

    if row.key and start("recovery"):
        return attempts, blocks, turn
    valid = [index for index in (0, 1) if copies[index] is not None]
    if not valid:
        told = turn in TURNS[:4]  # else there is nothing that GRUB could write over
        if turn == bootstate.encode_turn("B"):
            turn = bootstate.encode_turn("recovery")
            _ = start("B") or anything()
        elif turn == bootstate.encode_turn("recovery"):
            turn = bootstate.encode_turn("A")
            anything()
        else:
            turn = bootstate.encode_turn("B") if told else turn
            _ = start("A") or start("B") or anything()
        return attempts, blocks, turn
    here = max(valid, key=lambda index: (copies[index].seq, index))
    there = 1 - here if len(valid) == 2 else here
    state = copies[here]

    def write(changed):
        nonlocal state, here, there
        state = replace(changed, seq=state.seq + 1)
        blocks[there] = bootstate.encode(state)
        here, there = there, here

    def a_system():
        for name in state.order:
            slot = state.slot(name)
            if slot.tries == 0:
                continue
            write(state.with_slot(name, replace(slot, tries=slot.tries - 1)))
            if start(name):
                return True
        return False

    if state.recovery and state.recovery_tries and not row.key:
        write(replace(state, recovery_tries=state.recovery_tries - 1))
        if start("recovery"):
            return attempts, blocks, turn
        write(replace(state, recovery_tries=0))
    if a_system():
        return attempts, blocks, turn
    if state.recovery_tries == 0:
        for name in state.order:
            state = state.with_slot(name, replace(state.slot(name), tries=1))
        state = replace(state, recovery_tries=1)
        if a_system():
            return attempts, blocks, turn
    write(replace(state, recovery_tries=state.recovery_tries - 1))
    anything()
    return attempts, blocks, turn


def test_whatever_does_not_come_up_is_left_for_the_next_that_may():
    """By the model, which the next test compares with GRUB: twelve starts of which none comes up."""
    for row in rows():
        if row.key:
            continue
        blocks, turn, started = row.copies(), row.turn, set()
        for _ in range(12):
            attempts, blocks, turn = expected(row, blocks, turn)
            started.add(attempts[-1])
        lost = row.damage == "both zeroed"
        may = row.loadable & {"recovery", *("AB" if lost else row.state.order)}
        if lost and turn not in TURNS[:4]:
            may = set()  # three blocks lost: the stick is left
        assert started >= may, row


def driver(table):
    """A GRUB configuration that walks the table."""
    functions, cut, _ = GRUB_CONFIG.read_text(encoding="utf-8").partition(CUT)
    assert cut, "grub.cfg lost the line that parts functions from what happens"
    lines = [
        functions,
        "function start_from {",
        '  echo "TRY $what $1 $2 $3 $4 state=$boot_state"',
        "  set can=0",
        *(f'  if [ "$1" = {part} ]; then set can=$load_{name}; fi' for name, part in PARTS.items()),
        '  if [ "$can" = 1 ]; then return 0; else return 1; fi',
        "}",
        'function nothing_starts { echo "TRY nothing"; }',
        "set rows=$esp/rows",
    ]
    for number, row in enumerate(table):
        lines += [
            f"set esp=$rows/{number}",
            *(f"set load_{name}={int(name in row.loadable)}" for name in PARTS),
            f'echo "ROW {number}"',
            "read_state",
            "choose_recovery" if row.key else "choose",
        ]
    lines += ['echo "ROWS DONE"', "halt"]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def boot_loader():
    return disk.boot_loader()


def esp(folder, boot_loader, config):
    """An ESP with GRUB and this configuration, in a disk of its own."""
    image = folder / "esp.img"
    image.touch()
    run("truncate", "-s", "160M", image)
    (folder / "grub.cfg").write_text(config)
    run("sgdisk", "-n", "1:2048:+1M", "-t", "1:ef02", "-n", "2:4096:0", "-t", "2:ef00", image)
    run("mformat", "-i", at(image), "-F", "-T", str(159 * 2048 - 4096), "-h", "64", "-s", "32", "::")
    for name in ("EFI", "EFI/BOOT", "grub"):
        run("mmd", "-i", at(image), f"::/{name}")
    run("mcopy", "-i", at(image), boot_loader / "BOOTX64.EFI", "::/EFI/BOOT/BOOTX64.EFI")
    run("mcopy", "-i", at(image), folder / "grub.cfg", "::/grub/grub.cfg")
    return image


def at(image):
    """The ESP within the disk, for mtools."""
    return f"{image}@@2M"


def said(console):
    """Lines of GRUB: the firmware's screen and the serial terminal both end on the serial line."""
    text = re.sub(r"\x1b\[[0-9;?=]*[A-Za-z]", "", console.read_text("latin-1"))
    return text.replace("\r", "\n")


def test_every_row_starts_what_the_rules_say_and_leaves_the_state_they_say(tmp_path, boot_loader):
    table = list(rows())
    config = driver(table).replace("terminal_output console serial", "terminal_output serial")
    image = esp(tmp_path, boot_loader, config)
    for number, row in enumerate(table):
        place = tmp_path / "rows" / str(number) / "zongji"
        place.mkdir(parents=True)
        for name, block in zip(FILES, (*row.copies(), row.turn), strict=True):
            if block is not None:
                (place / name).write_bytes(block)
    run("mcopy", "-s", "-i", at(image), tmp_path / "rows", "::/rows")

    with Vm(image, firmware="efi", network=False) as vm:
        vm.wait_console("ROWS DONE")
        text = said(vm.console)

    after = tmp_path / "after"
    after.mkdir()
    run("mcopy", "-s", "-i", at(image), "::/rows", after)
    wrong = []
    told = re.split(r"ROW (\d+)\n", text)[1:]
    words = {int(number): re.findall(r"TRY (nothing|recovery|system A|system B)", body)
             for number, body in zip(told[::2], told[1::2], strict=True)}  # fmt: skip
    for number, row in enumerate(table):
        attempts, blocks, turn = expected(row)
        got = [word.removeprefix("system ") for word in words.get(number, [])]
        there = [after / "rows" / str(number) / "zongji" / name for name in FILES]
        *left, turned = [path.read_bytes() if path.is_file() else None for path in there]
        if got != attempts:
            wrong.append(f"{row}: tried {got}, expected {attempts}")
        elif turned != turn:
            wrong.append(f"{row}: left the turn {turned and turned[:60]}, expected {turn and turn[:60]}")
        elif [bootstate.decode(block) for block in left] != [bootstate.decode(block) for block in blocks]:
            wrong.append(
                f"{row}: left {[block[:110] for block in left]}, expected {[b[:110] for b in blocks]}"
            )
    assert not wrong, f"{len(wrong)} of {len(table)} rows:\n" + "\n".join(wrong[:10])


@pytest.fixture(params=["efi", "bios"])
def empty_box(request, tmp_path, boot_loader):
    """A disk with the real configuration and nothing that could be started: every attempt is told."""
    image = esp(tmp_path, boot_loader, GRUB_CONFIG.read_text(encoding="utf-8"))
    with image.open("r+b") as disk_file:
        disk_file.write((boot_loader / "boot.bin").read_bytes())
        disk_file.seek(disk.CORE_SECTOR * 512)
        disk_file.write((boot_loader / "core.bin").read_bytes())
    run("mmd", "-i", at(image), "::/zongji")
    disk.state_files(tmp_path / "zongji", State(41, ("B", "A"), Slot(True, 3), Slot(False, 2)))
    for name in FILES:
        run("mcopy", "-i", at(image), tmp_path / "zongji" / name, f"::/zongji/{name}")
    return image, request.param


def test_the_key_r_at_start_leads_to_recovery_and_past_it_where_it_cannot_be_loaded(empty_box, tmp_path):
    image, firmware = empty_box
    with Vm(image, firmware=firmware, network=False) as vm:
        vm.wait_console("press r for recovery")
        vm.hold_key("r", r"recovery \(key\) cannot be loaded")
        vm.wait_console("nothing on this disk can be started")
    assert state_of(image, tmp_path) == State(45, ("B", "A"), Slot(True, 2), Slot(False, 1), False, 2)


def test_without_a_key_each_system_has_its_try_and_the_last_word_says_what_to_do(empty_box, tmp_path):
    image, firmware = empty_box
    with Vm(image, firmware=firmware, network=False) as vm:
        for said_next in (
            "boot state ok SEQ=42 ORDER=B A A=1/3 B=0/2 RECOVERY=0/3",
            "system B cannot be loaded",
            "system A cannot be loaded",
            r"recovery \(exhausted\) cannot be loaded",
            "nothing on this disk can be started. Start from the recovery stick",
        ):
            vm.wait_console(said_next)
    assert state_of(image, tmp_path) == State(45, ("B", "A"), Slot(True, 2), Slot(False, 1), False, 2)


def state_of(image, folder):
    """What the boot state on a disk says."""
    target = folder / "after"
    target.mkdir()
    for name in bootstate.COPIES:
        run("mcopy", "-i", at(image), f"::/zongji/{name}", target / name)
    return bootstate.load(target)
