"""What a start tells of the one before, and how the disk's table grows."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from appliance.engine.recorder import RESERVE_BYTES
from appliance.store import StoreError, open_store
from image.box import bootstate, configcopy, disk, firstboot, started
from image.box.bootstate import Slot, State

A_CONFIRMED_B_ON_TRIAL = State(9, ("B", "A"), Slot(True, 2), Slot(False, 0))
ON_A = "BOOT_IMAGE=/boot/vmlinuz panic=10 zongji.boot_state=ok rauc.slot=A zongji.slot=A"


def test_the_first_in_the_order_runs_and_nothing_failed():
    state = replace(A_CONFIRMED_B_ON_TRIAL, order=("A", "B"))
    told = started.line(100.0, ON_A, state, "0.1.0", [], None)
    assert told == {"at": 100.0, "slot": "A", "version": "0.1.0", "boot_state": "ok", "fell_back": False}


def test_a_fall_back_names_the_version_the_reason_and_the_log():
    why = {"slot": "B", "version": "0.2.0", "reason": "engine_not_ready", "log": ["engine: no"]}
    history = [{"slot": "B", "version": "0.2.0"}]
    told = started.line(100.0, ON_A, A_CONFIRMED_B_ON_TRIAL, "0.1.0", history, why)
    assert told["fell_back"]
    assert (told["failed_slot"], told["failed_version"]) == ("B", "0.2.0")
    assert (told["reason"], told["log"]) == ("engine_not_ready", ["engine: no"])


def test_a_kernel_that_panics_leaves_no_word_and_is_told_apart():
    told = started.line(
        100.0, ON_A, A_CONFIRMED_B_ON_TRIAL, "0.1.0", [{"slot": "A", "version": "0.1.0"}], None
    )
    assert told["reason"] == "never_started"
    seen = [{"slot": "B", "version": "0.2.0"}]
    told = started.line(100.0, ON_A, A_CONFIRMED_B_ON_TRIAL, "0.1.0", seen, None)
    assert (told["reason"], told["failed_version"]) == ("stopped_without_a_word", "0.2.0")


def test_what_an_earlier_version_in_that_system_did_says_nothing_about_this_one():
    earlier = [{"slot": "B", "version": "0.1.9"}, {"slot": "A", "version": "0.1.0"}]
    told = started.line(100.0, ON_A, A_CONFIRMED_B_ON_TRIAL, "0.1.0", earlier, None)
    assert told["reason"] == "never_started" and told["failed_version"] != "0.1.9"
    seen = [*earlier, {"slot": "B", "version": "0.2.0"}]
    told = started.line(100.0, ON_A, A_CONFIRMED_B_ON_TRIAL, "0.1.0", seen, None)
    again = started.line(200.0, ON_A, A_CONFIRMED_B_ON_TRIAL, "0.1.0", [*seen, told], None)
    for one in (told, again):
        assert (one["reason"], one["failed_version"]) == ("stopped_without_a_word", "0.2.0")


@pytest.fixture
def mend(tmp_path, monkeypatch):
    """mend(state, *slots that ran before) -> the boot state after it; state None: both copies are lost."""
    boot, config = tmp_path / "zongji", tmp_path / "config"
    for folder in (boot, config):
        folder.mkdir()
    for name in ("repair", "load", "describe"):
        real = getattr(bootstate, name)
        monkeypatch.setattr(bootstate, name, lambda folder=boot, real=real: real(folder))
    for name in ("change", "drop_order"):
        real = getattr(bootstate, name)
        monkeypatch.setattr(bootstate, name, lambda what, folder=boot, real=real: real(what, folder))
    monkeypatch.setattr(started, "Places", lambda: SimpleNamespace(config=config))

    def run(state, *ran):
        if state is not None:
            bootstate.save(state, boot)
        return started.mend([{"slot": slot, "version": "1"} for slot in ran])

    run.config = config
    return run


def test_with_both_copies_lost_the_system_that_ran_last_is_first_again(mend):
    state = mend(None, "A", "B")
    assert (state.order, state.b.tries) == (("B", "A"), 3)
    told = started.line(
        100.0, ON_A.replace("=ok", "=lost"), state, "0.1.0", [{"slot": "B", "version": "2"}], None
    )
    assert (told["fell_back"], told["failed_version"], told["reason"]) == (True, "2", "boot_state_lost")


@pytest.mark.parametrize("ran", [(), ("A",), ("?",)])
def test_with_both_copies_lost_and_nothing_newer_a_is_first(mend, ran):
    assert mend(None, *ran).order == ("A", "B")


@pytest.mark.parametrize(
    ("tries", "order", "kept"),
    [
        (0, {"action": "reinstall"}, False),
        (0, {"action": "reinstall", "step": 0}, True),
        (1, {"action": "reinstall"}, False),
    ],
)
def test_what_recovery_was_to_do_is_forgotten_once_it_was_given_up_unless_it_was_begun(
    mend, tries, order, kept
):
    (mend.config / "order.json").write_text(json.dumps(order))
    state = mend(replace(A_CONFIRMED_B_ON_TRIAL, recovery=True, recovery_tries=tries), "A")
    assert (mend.config / "order.json").exists() == kept
    assert (state.recovery, state.recovery_tries) == (True, 0)  # and the pages tell it


def test_an_order_that_cannot_be_removed_hides_no_fall_back(mend, monkeypatch, capsys):
    def drop(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(bootstate, "drop_order", drop)
    given = replace(A_CONFIRMED_B_ON_TRIAL, recovery=True, recovery_tries=0)
    assert mend(given, "A").order == ("B", "A")
    assert "cannot be forgotten" in capsys.readouterr().out


def test_a_boot_state_that_cannot_be_read_is_no_fall_back(tmp_path, places, monkeypatch, capsys):
    for name, file in (("HISTORY", "history"), ("UNHEALTHY", "unhealthy"), ("RUNNING", "boot.json")):
        monkeypatch.setattr(started, name, tmp_path / file)
    monkeypatch.setattr(started, "CMDLINE", places.kernel_command)
    monkeypatch.setattr(started, "Places", lambda: places)

    def repair():
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(bootstate, "repair", repair)
    started.main()
    told = json.loads((tmp_path / "boot.json").read_text())
    assert not told["fell_back"] and "cannot be used" in capsys.readouterr().out


def test_the_history_survives_a_torn_line_and_keeps_its_length(tmp_path):
    path = tmp_path / "boot-history.jsonl"
    path.write_text('{"slot": "A", "version": "1"}\n{"slot": "B", "ver')
    assert started.read_history(path) == [{"slot": "A", "version": "1"}]
    started.write_history([{"at": n} for n in range(300)], path)
    lines = path.read_text().splitlines()
    assert len(lines) == started.HISTORY_LINES
    assert json.loads(lines[-1]) == {"at": 299}


DUMP = f"""label: gpt
label-id: 65F05B44-0329-454B-AD73-E24C2B64D489
device: /dev/vda
unit: sectors
first-lba: 2048
last-lba: 3543046
sector-size: 512

/dev/vda1 : start=        2048, size=        2048, type=21686148-6449-6E6F-744E-656564454649, uuid=195065A3-757C-4E5E-9EA5-E60E749AE492, name="bios"
/dev/vda6 : start=     3280896, size=      131072, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, uuid=0D458EAE-2D51-4266-945F-D2B242F3ABC9, name="config"
/dev/vda7 : start=     3411968, size=      131072, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, uuid={disk.BLANK}, name="data"
"""  # noqa: E501


def test_a_blank_data_partition_reaches_the_end_of_the_disk_and_the_disk_gets_a_name_of_its_own():
    grown = disk.grown_table(DUMP, 16_777_216)
    assert grown is not None
    (data,) = [line for line in grown.splitlines() if 'name="data"' in line]
    size = int(re.search(r"size=\s*(\d+)", data)[1])
    assert 3411968 + size <= 16_777_216 - 34
    assert 3411968 + size > 16_777_216 - 4096
    assert disk.BLANK in data
    assert "last-lba" not in grown
    assert "65F05B44" not in grown
    assert "0D458EAE" not in grown
    assert grown.count("start=     3280896, size=      131072") == 1


def test_a_data_partition_in_use_is_never_touched():
    assert (
        disk.grown_table(DUMP.replace(disk.BLANK, "5B1F6A1B-7A6F-4E67-8A69-B1A4C0DA7A01"), 16_777_216) is None
    )


def test_somebody_elses_partition_behind_data_stops_it():
    more = DUMP + '/dev/vda8 : start=     3600000, size=   1000, type=0FC63DAF, uuid=1-2-3, name="mine"\n'
    assert disk.grown_table(more, 16_777_216) is None


def test_a_disk_that_is_no_larger_keeps_its_size():
    grown = disk.grown_table(DUMP, 3_543_080)
    assert "size=131072" in re.sub(r"size=\s*", "size=", grown)


@pytest.fixture
def box(tmp_path, monkeypatch):
    for name, path in (("CONFIG", "config"), ("DATA", "data"), ("CONFIG_COPY", "data/system/config-copy")):
        (tmp_path / path).mkdir(parents=True, exist_ok=True)
        monkeypatch.setattr(disk, name, tmp_path / path)
    disk.CONFIG_COPY.rmdir()
    return tmp_path


def test_the_copy_of_the_configuration_follows_it(box):
    (disk.CONFIG / "network.json").write_text("1")
    (disk.CONFIG / "tls").mkdir()
    (disk.CONFIG / "tls" / "key.pem").write_text("k")
    (disk.CONFIG / "tls" / "key.pem").chmod(0o640)
    disk.config_copy().renew()
    assert (disk.CONFIG_COPY / "tls" / "key.pem").stat().st_mode & 0o777 == 0o640
    (disk.CONFIG / "network.json").write_text("2")
    (disk.CONFIG / "tls" / "key.pem").unlink()
    disk.config_copy().renew()
    assert (disk.CONFIG_COPY / "network.json").read_text() == "2"
    assert not (disk.CONFIG_COPY / "tls" / "key.pem").exists()
    assert [path.name for path in disk.CONFIG_COPY.parent.iterdir()] == ["config-copy"]


def test_a_config_that_the_kernel_found_damaged_does_not_replace_its_copy(box, monkeypatch):
    """What such a partition holds seems to be less, and no error says so."""
    (disk.CONFIG / "identity.json").write_text("{}")
    (disk.CONFIG / "network.json").write_text("1")
    disk.config_copy().renew()
    (disk.CONFIG / "network.json").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(configcopy.files, "takes_nothing", lambda folder: folder == disk.CONFIG)
        with pytest.raises(OSError, match="damaged"):
            disk.config_copy().renew()
    assert (disk.CONFIG_COPY / "network.json").read_text() == "1"
    # The folder's block is gone, the file that was open just before is still known.
    real = shutil.copytree

    def nothing(source, target, **how):
        target.mkdir()

    monkeypatch.setattr(configcopy.shutil, "copytree", nothing)
    with pytest.raises(OSError, match="damaged"):
        disk.config_copy().renew()
    monkeypatch.setattr(configcopy.shutil, "copytree", real)
    assert (disk.CONFIG_COPY / "network.json").read_text() == "1"
    disk.config_copy().renew()
    assert not (disk.CONFIG_COPY / "network.json").exists()


def test_a_power_cut_between_the_two_renames_loses_no_copy(box, monkeypatch):
    (disk.CONFIG / "network.json").write_text("1")
    disk.config_copy().renew()
    disk.CONFIG_COPY.rename(disk.CONFIG_COPY.with_name("config-copy.old"))
    (disk.CONFIG / "network.json").write_text("2")

    def cut(*_, **__):
        raise OSError("the power went")

    with monkeypatch.context() as patch:
        patch.setattr(configcopy.shutil, "copytree", cut)
        with pytest.raises(OSError, match="the power went"):
            disk.config_copy().renew()
    assert (disk.CONFIG_COPY / "network.json").read_text() == "1"


def damaged(monkeypatch, box, programs):
    """A config partition that cannot be read: made anew, it is empty."""

    def check(device):
        raise disk.DiskError("bad superblock")

    def run(*command, accept=(0,)):
        programs.append(command[0])
        for path in disk.CONFIG.iterdir() if command[0] == "mkfs.ext4" else ():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return ""

    monkeypatch.setattr(disk, "check", check)
    monkeypatch.setattr(disk, "run", run)


def whole_box():
    (disk.CONFIG / "identity.json").write_text('{"serial": "ZJ-ABCDE-FGHJK"}')
    (disk.CONFIG / "network.json").write_text("1")
    (disk.CONFIG / "tls").mkdir()
    (disk.CONFIG / "tls" / "key.pem").write_text("k")
    disk.config_copy().renew()


def kept():
    return {path.name for path in disk.CONFIG.rglob("*")}


ALL = {"identity.json", "network.json", "tls", "key.pem"}


def test_a_config_partition_that_cannot_be_read_is_put_back_from_its_copy(box, monkeypatch):
    whole_box()
    ran, report = [], disk.Report()
    damaged(monkeypatch, box, ran)
    disk.mount_config({"config": box}, report, True)
    assert ran[0] == "mkfs.ext4" and report.config == "restored" and kept() == ALL


@pytest.mark.parametrize("cut_in", ["copytree", "copy_owners", "identity"])
def test_a_power_cut_while_it_is_put_back_loses_nothing(box, monkeypatch, cut_in):
    whole_box()

    class PowerCut(BaseException):
        pass

    def cut(*_, **__):
        raise PowerCut

    with monkeypatch.context() as patch:
        damaged(patch, box, [])
        place = {"copytree": (configcopy.shutil, "copytree"), "copy_owners": (configcopy, "_copy_owners")}
        patch.setattr(*place.get(cut_in, (configcopy.files, "write")), cut)
        with pytest.raises(PowerCut):
            disk.mount_config({"config": box}, disk.Report(), True)
    # The next start finds a config that can be read, and not the whole of it.
    monkeypatch.setattr(disk, "check", lambda device: "ok")
    monkeypatch.setattr(disk, "run", lambda *command, accept=(0,): "")
    report = disk.Report()
    disk.mount_config({"config": box}, report, True)
    disk.config_copy().renew()
    assert report.config == "restored" and kept() == ALL
    assert (disk.CONFIG_COPY / "tls" / "key.pem").read_text() == "k"


def test_a_config_without_a_copy_is_made_anew_only_when_it_cannot_be_mounted(box, monkeypatch):
    whole_box()
    ran = []
    damaged(monkeypatch, box, ran)
    report = disk.Report()
    disk.mount_config({"config": box}, report, False)
    assert ran == ["mount"] and kept() == ALL and "used as it is" in report.notes[0]

    def run(*command, accept=(0,)):
        ran.append(command[0])
        if "mkfs.ext4" not in ran:
            raise disk.DiskError("bad superblock")
        return ""

    ran.clear()
    monkeypatch.setattr(disk, "run", run)
    with pytest.raises(disk.DiskError):
        disk.mount_config({"config": box}, report, False)
    assert ran == ["mount"], "while data is not there nobody knows whether there is a copy"
    shutil.rmtree(disk.CONFIG_COPY)
    ran.clear()
    disk.mount_config({"config": box}, report, True)
    assert ran == ["mount", "mkfs.ext4", "mount"] and report.config == "lost"


@pytest.fixture
def boots(box, monkeypatch):
    """`disk.start` on a disk of which every partition mounts, but those in `bad`; what is mounted where."""
    bad, mounted = set(), {}
    home = disk.DATA / "zongji"
    for name, path in (
        ("HOME", home),
        ("DATABASE_AWAY", home / "db" / "database-away"),
        ("FOLDERS", ((disk.DATA / "system", 0o750), (home / "run", 0o750))),
        ("REPORT", box / "disk.json"),
        ("BINDS", box / "binds"),
        ("OPTIONS", {label: (box / label, *how[1:]) for label, how in disk.OPTIONS.items()}),
        ("MACHINE_ID", box / "machine-id"),
    ):
        monkeypatch.setattr(disk, name, path)
    disk.BINDS.touch()
    disk.MACHINE_ID.write_text("m")

    def run(*command, accept=(0,)):
        if command[0] == "mount":
            kind, device, target = command[2], str(command[-2]), command[-1]
            if device in bad or (kind == "tmpfs" and "tmpfs" in bad):
                raise disk.DiskError(f"{device}: bad superblock")
            mounted[target] = device
        elif command[0] == "umount":
            del mounted[command[-1]]
        elif command[0] == "mkfs.ext4" and str(command[-1]) in bad:
            raise disk.DiskError("no space of any kind")
        return ""

    def check(device):
        if str(device) in bad:
            raise disk.DiskError("e2fsck gives up")
        return "ok"

    monkeypatch.setattr(disk, "run", run)
    monkeypatch.setattr(disk, "check", check)
    monkeypatch.setattr(disk, "boot_disk", lambda: "sda")
    monkeypatch.setattr(disk, "first_boot", lambda *_: False)
    monkeypatch.setattr(disk, "SYS_BLOCK", box / "block")
    (box / "block" / "sda").mkdir(parents=True)
    (box / "block" / "sda" / "size").write_text("125829120\n")
    parts = {"config": Path("cfg"), "data": Path("dat")}
    monkeypatch.setattr(disk, "partitions", lambda disk: parts)
    monkeypatch.setattr(type(box), "is_mount", lambda self: self in mounted)

    def boot(*names):
        bad.clear()
        bad.update(names)
        mounted.clear()
        status = disk.start()
        return status, json.loads((box / "disk.json").read_text())

    return boot, mounted


def test_a_data_partition_that_cannot_be_read_leaves_a_box_in_memory(boots):
    boot, mounted = boots
    status, told = boot("dat")
    assert (status, told["data"], told["config"]) == (0, "unreadable", "ok")
    assert mounted == {disk.DATA: "tmpfs", disk.CONFIG: "cfg"}
    with pytest.raises(StoreError, match="the data disk cannot be read"):
        open_store(disk.DATABASE_AWAY.with_name("zongji.db"))
    assert any("NOTHING IS STORED" in note for note in told["notes"])
    size = int(re.search(r"size=(\d+)M", disk.MEMORY)[1]) << 20
    assert size < RESERVE_BYTES, "the recorder must not fill the memory"


@pytest.mark.parametrize(("sectors", "small"), [(7_812_499, True), (7_812_500, False)])
def test_every_start_tells_a_disk_that_is_smaller_than_wanted(boots, sectors, small):
    boot, _ = boots
    (disk.SYS_BLOCK / "sda" / "size").write_text(f"{sectors}\n")
    for _ in range(2):
        told = boot()[1]
        assert told["small"] is small
        assert ("the disk has 4.0 GB; 4 GB are wanted" in told["notes"]) is small


def test_a_disk_whose_size_nobody_knows_is_used_all_the_same(boots):
    boot, mounted = boots
    (disk.SYS_BLOCK / "sda" / "size").unlink()
    status, told = boot()
    assert (status, told["data"], told["small"]) == (0, "ok", False) and mounted[disk.DATA] == "dat"


def test_a_box_without_a_config_partition_works_from_its_copy(boots):
    boot, mounted = boots
    boot()
    (disk.CONFIG / "network.json").write_text("mine")
    (disk.CONFIG / "identity.json").write_text("{}")
    disk.config_copy().renew()
    shutil.rmtree(disk.CONFIG)
    disk.CONFIG.mkdir()
    status, told = boot("cfg")
    assert (status, told["config"]) == (0, "memory")
    assert mounted[disk.CONFIG] == "tmpfs" and (disk.CONFIG / "network.json").read_text() == "mine"
    assert boot("cfg", "dat", "tmpfs")[0] == 1


def test_a_box_without_config_partition_and_copy_does_not_speak_of_a_copy(boots):
    boot, _ = boots
    for bad in (("cfg",), ("cfg", "dat")):
        status, told = boot(*bad)
        assert (status, told["config"]) == (0, "defaults")
        assert any("there is no copy of the configuration" in note for note in told["notes"])


@pytest.fixture
def came_back_old(boots):
    """A box whose config partition failed for one start, in which settings were changed; its boot()."""
    boot, _ = boots
    boot()
    (disk.CONFIG / "ssh").mkdir()
    (disk.CONFIG / "ssh" / "host_ed25519").write_text("h")
    whole_box()
    partition = disk.CONFIG.with_name("partition")
    shutil.copytree(disk.CONFIG, partition)
    for name in ("ssh/permission.json", "gone.json"):
        (partition / name).write_text("old")
    (partition / "lost+found").mkdir()
    shutil.rmtree(disk.CONFIG)
    disk.CONFIG.mkdir()
    assert boot("cfg")[1]["config"] == "memory"
    (disk.CONFIG / "network.json").write_text("newer")
    disk.config_copy().renew()
    shutil.rmtree(disk.CONFIG)
    partition.rename(disk.CONFIG)
    return boot


def test_a_config_partition_that_comes_back_gets_what_was_changed_without_it(came_back_old):
    assert came_back_old()[1]["config"] == "restored"
    assert (disk.CONFIG / "network.json").read_text() == "newer"
    assert kept() == ALL | {"lost+found", "machine-id", "ssh", "host_ed25519"}
    (disk.CONFIG / "network.json").write_text("newest")
    assert came_back_old()[1]["config"] == "ok"
    assert (disk.CONFIG / "network.json").read_text() == "newest", "from then on it is the newer one again"


@pytest.mark.parametrize("cut_in", ["copytree", "copy_owners", "identity"])
def test_a_power_cut_while_it_gets_that_is_made_good(came_back_old, monkeypatch, cut_in):
    class PowerCut(BaseException):
        pass

    def cut(*_, **__):
        raise PowerCut

    with monkeypatch.context() as patch:
        place = {"copytree": (configcopy.shutil, "copytree"), "copy_owners": (configcopy, "_copy_owners")}
        patch.setattr(*place.get(cut_in, (configcopy.files, "write")), cut)
        with pytest.raises(PowerCut):
            came_back_old()
    assert came_back_old()[1]["config"] == "restored"
    assert (disk.CONFIG / "network.json").read_text() == "newer"


@pytest.fixture
def emptied(boots):
    """A box whose config partition has been emptied, not its copy; what was in it."""
    boot, _ = boots
    boot()
    whole = {"identity.json": '{"serial": "ZJ-ABCDE-FGHJK"}', "network.json": "mine"}
    for name, text in whole.items():
        (disk.CONFIG / name).write_text(text)
    disk.config_copy().renew()
    for name in whole:
        (disk.CONFIG / name).unlink()
    return whole


def texts(folder, names):
    return {name: (folder / name).read_text() for name in names}


@pytest.mark.parametrize("fails", [1, 2])
def test_a_copy_that_cannot_be_put_back_stays_and_serves_from_memory(boots, emptied, monkeypatch, fails):
    boot, mounted = boots
    real, tried = configcopy.ConfigCopy.put_back, []

    def put_back(copy):
        tried.append(copy)
        if len(tried) <= fails:
            (disk.CONFIG / "network.json").write_text("mi")
            raise OSError("no space left on device")
        real(copy)

    monkeypatch.setattr(configcopy.ConfigCopy, "put_back", put_back)
    status, told = boot()
    serves = {1: "memory", 2: "defaults"}[fails]
    assert (status, told["config"], mounted[disk.CONFIG]) == (0, serves, "tmpfs")
    assert texts(disk.CONFIG_COPY, emptied) == emptied
    assert fails == 2 or texts(disk.CONFIG, emptied) == emptied


def test_the_old_copy_serves_where_the_power_went_between_the_renames(boots, emptied):
    boot, _ = boots
    disk.CONFIG_COPY.rename(disk.CONFIG_COPY.with_name("config-copy.old"))
    assert boot()[1]["config"] == "restored"
    assert texts(disk.CONFIG, emptied) == texts(disk.CONFIG_COPY, emptied) == emptied


def test_a_box_whose_database_is_gone_does_not_begin_anew(boots):
    boot, _ = boots
    boot()
    open_store(disk.HOME / "db" / "zongji.db").close()  # a new box: its first start makes one
    shutil.rmtree(disk.HOME / "db")
    (disk.CONFIG / "plan.json").write_text("{}")
    boot()
    with pytest.raises(StoreError, match="has gone, though this box has had one"):
        open_store(disk.HOME / "db" / "zongji.db")


def test_a_full_disk_gives_its_reserve_up(box, monkeypatch):
    (disk.DATA / "system").mkdir(exist_ok=True)
    free = [1 << 40]
    monkeypatch.setattr(disk.os, "statvfs", lambda _: SimpleNamespace(f_bavail=free[0], f_frsize=1))
    assert not disk.keep_room(disk.DATA)
    reserve = disk.DATA / "system" / "reserve"
    assert reserve.stat().st_blocks * 512 >= disk.RESERVE_BYTES
    free[0] = disk.RESERVE_BYTES
    assert not disk.keep_room(disk.DATA) and reserve.exists()
    free[0] = 0
    assert disk.keep_room(disk.DATA) and not reserve.exists()


def test_what_a_repair_has_lost_comes_back_from_the_copy(box, monkeypatch):
    whole_box()
    (disk.CONFIG / "network.json").write_text("")
    (disk.CONFIG / "tls" / "key.pem").unlink()
    monkeypatch.setattr(disk, "check", lambda device: "repaired")
    monkeypatch.setattr(disk, "run", lambda *command, accept=(0,): "")
    report = disk.Report()
    disk.mount_config({"config": box}, report, True)
    assert report.config == "restored" and kept() == ALL
    assert (disk.CONFIG / "network.json").read_text() == "1"
    (disk.CONFIG / "empty").touch()
    disk.config_copy().renew()
    report = disk.Report()
    disk.mount_config({"config": box}, report, True)
    assert report.config == "repaired", "a file that was always empty is not lost"


def test_an_old_copy_brings_back_no_order_and_no_opened_support(box):
    (disk.CONFIG / "ssh").mkdir()
    (disk.CONFIG / "ssh" / "permission.json").write_text("{}")
    (disk.CONFIG / "order.json").write_text("{}")
    disk.config_copy().renew()
    assert [path.name for path in disk.CONFIG_COPY.rglob("*")] == ["ssh"]


def test_who_the_box_is_goes_into_the_copy_at_the_first_start(box):
    firstboot.keep_copy()
    assert not disk.CONFIG_COPY.exists(), "data is not there"
    (disk.CONFIG / "machine-id").write_text("m")
    disk.config_copy().renew()
    (disk.CONFIG / "identity.json").write_text("{}")
    firstboot.keep_copy()
    assert (disk.CONFIG_COPY / "identity.json").exists()
    (disk.CONFIG / "network.json").write_text("later")
    firstboot.keep_copy()
    assert not (disk.CONFIG_COPY / "network.json").exists(), "later starts cost nothing"


@pytest.mark.parametrize("name", [b"FAT32", b"FAT16"])
@pytest.mark.parametrize(("dirty", "status", "notes"), [(0, 4, 0), (1, 1, 0), (1, 4, 1)])
def test_an_esp_that_was_in_use_is_mended_and_one_that_cannot_be_is_told(
    programs, tmp_path, name, dirty, status, notes
):
    sector = bytearray(512)
    sector[0x52:0x57] = name if name == b"FAT32" else bytes(5)
    sector[0x41 if name == b"FAT32" else 0x25] = dirty
    device = tmp_path / "esp"
    device.write_bytes(sector)
    programs.says("fsck.fat", "words of fsck", status)
    report = disk.Report()
    disk.check_esp(device, report)
    assert programs.calls == [f"fsck.fat -a {device}"] * dirty
    assert len(report.notes) == notes and all("words of fsck" in note for note in report.notes)


def test_the_log_of_a_system_that_stopped_without_a_word_is_that_of_the_start_before(
    tmp_path, programs, places, monkeypatch
):
    for name, file in (("HISTORY", "history"), ("UNHEALTHY", "unhealthy"), ("RUNNING", "boot.json")):
        monkeypatch.setattr(started, name, tmp_path / file)
    monkeypatch.setattr(started, "CMDLINE", places.kernel_command)
    monkeypatch.setattr(started, "Places", lambda: places)
    monkeypatch.setattr(started.bootstate, "repair", lambda: "ok")
    monkeypatch.setattr(started.bootstate, "describe", lambda: "")
    monkeypatch.setattr(started.bootstate, "load", lambda: A_CONFIRMED_B_ON_TRIAL)
    programs.says("journalctl", "its last\nwords\n")
    for runs, log in (("B", ["its last", "words"]), ("A", [])):
        (tmp_path / "history").write_text(json.dumps({"slot": runs, "version": "0.2.0"}) + "\n")
        started.main()
        told = json.loads((tmp_path / "boot.json").read_text())
        assert (told["failed_slot"], told["log"]) == ("B", log)
    assert [call.split(" -n")[0] for call in programs.calls] == ["journalctl -b -1"]
