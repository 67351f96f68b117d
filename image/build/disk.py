"""Disk images: GPT for BIOS and EFI, made without loop devices and without mounting anything."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

from image.box import bootstate
from image.box.disk import BLANK
from image.build import debian
from image.build.steps import RECIPES, WORK, cached, digest, remove, run

GRUB_MODULES = (
    *(
        "part_gpt",
        "part_msdos",
        "fat",
        "ext2",
        "normal",
        "linux",
        "squash4",
        "gzio",
        "loadenv",
        "test",
        "regexp",
    ),
    *(
        "serial",
        "terminal",
        "echo",
        "configfile",
        "cat",
        "ls",
        "minicmd",
        "reboot",
        "halt",
        "sleep",
        "search",
    ),
    "probe",
)
CORE_SECTOR = 2048
"""Where genimage puts the BIOS boot partition, in sectors of 512 bytes."""

LINUX = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
BIOS_BOOT = "21686148-6449-6E6F-744E-656564454649"
ESP = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
BASIC_DATA = "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7"
SLOT = "512M"

BOOT = """  hdimage {{
    partition-table-type = "gpt"
    align = 1M
  }}
  partition mbr {{
    in-partition-table = false
    offset = 0
    size = 440
    image = "boot.bin"
  }}
  partition bios {{
    partition-type-uuid = "{bios}"
    offset = 1M
    size = 1M
    image = "core.bin"
  }}
  partition {prefix}esp {{
    partition-type-uuid = "{esp}"
    image = "esp.vfat"
  }}
  partition {prefix}recovery {{
    partition-type-uuid = "{linux}"
    size = {slot}
    image = "rootfs.squashfs"
  }}
"""
"""What makes both of them start."""

DISK = """
image esp.vfat {{
  vfat {{
    label = "ZONGJI-ESP"
    extraargs = "-F 32 -i 5A4E4745"
    file EFI/BOOT/BOOTX64.EFI {{ image = "BOOTX64.EFI" }}
    file grub/grub.cfg {{ image = "grub.cfg" }}
    file zongji/state-1 {{ image = "state-1" }}
    file zongji/state-2 {{ image = "state-2" }}
    file zongji/turn {{ image = "turn" }}
  }}
  size = 64M
}}
image config.ext4 {{
  ext4 {{
    label = "config"
    use-mke2fs = true
  }}
  empty = true
  size = 64M
}}
image data.ext4 {{
  ext4 {{
    label = "blank"
    use-mke2fs = true
  }}
  empty = true
  size = 64M
}}
image {name} {{
{boot}  partition rootfs-a {{
    partition-type-uuid = "{linux}"
    size = {slot}
    image = "rootfs.squashfs"
  }}
  partition rootfs-b {{
    partition-type-uuid = "{linux}"
    size = {slot}
  }}
  partition config {{
    partition-type-uuid = "{linux}"
    image = "config.ext4"
  }}
  partition data {{
    partition-type-uuid = "{linux}"
    partition-uuid = "{blank}"
    image = "data.ext4"
  }}
}}
"""

STICK = """
image esp.vfat {{
  vfat {{
    label = "STICK-ESP"
    extraargs = "-F 32 -i 5A4E4746"
    file EFI/BOOT/BOOTX64.EFI {{ image = "BOOTX64.EFI" }}
    file grub/grub.cfg {{ image = "grub-stick.cfg" }}
  }}
  size = 40M
}}
image files.vfat {{
  vfat {{
    label = "ZONGJI"
    extraargs = "-F 32 -i 5A4E4747"
    file README.txt {{ image = "README.txt" }}
    file {bundle} {{ image = "{bundle}" }}
  }}
  size = {files}
}}
image {name} {{
{boot}  partition ZONGJI {{
    partition-type-uuid = "{basic}"
    image = "files.vfat"
  }}
}}
"""

README = RECIPES / "boot" / "stick-README.txt"


def boot_loader() -> Path:
    """A folder with BOOTX64.EFI, core.bin and boot.bin: GRUB for EFI and BIOS, of modules fetched with the
    kernel; this machine's grub-mkimage only puts them together."""

    grub = debian.kernel() / "grub"

    def program(platform: str, prefix: str, name: Path, *modules: str) -> None:
        run(
            "grub-mkimage",
            f"--directory={grub / platform}",
            f"--format={platform}",
            f"--prefix={prefix}",
            f"--output={name}",
            *modules,
            *GRUB_MODULES,
        )

    def make(target: Path) -> None:
        target.mkdir(parents=True)
        program("x86_64-efi", "/grub", target / "BOOTX64.EFI", "efi_gop")
        program("i386-pc", "(,gpt2)/grub", target / "core.bin", "biosdisk")
        boot = bytearray((grub / "i386-pc" / "boot.img").read_bytes())
        boot[0x5C:0x64] = struct.pack("<Q", CORE_SECTOR)
        boot[0x66:0x68] = b"\x90\x90"  # a hard disk: no look for a floppy drive, as grub-bios-setup has it
        (target / "boot.bin").write_bytes(boot[:440])
        core = bytearray((target / "core.bin").read_bytes())
        core[0x1F4:0x1FC] = struct.pack("<Q", CORE_SECTOR + 1)
        (target / "core.bin").write_bytes(core)

    version = run("grub-mkimage", "--version")
    key = digest(version, grub.parent.name, " ".join(GRUB_MODULES), Path(__file__))
    return cached("boot-loader", key, make)


def state_files(folder: Path, state: bootstate.State) -> None:
    """The files of a boot state; the second copy is the newer one."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(bootstate.COPIES):
        (folder / name).write_bytes(bootstate.encode(replace(state, seq=state.seq + number)))
    (folder / bootstate.TURN).write_bytes(bootstate.encode_turn())


def disk_image(squashfs: Path, target: Path, state: bootstate.State = bootstate.FRESH) -> None:
    """The image for the box's disk."""
    inputs = _inputs(squashfs, "grub.cfg")
    state_files(inputs, state)
    config = DISK.format(name=target.name, boot=_boot(), linux=LINUX, slot=SLOT, blank=BLANK)
    _genimage(config, inputs, target)


def stick_image(squashfs: Path, bundle: Path, target: Path) -> None:
    """The recovery stick: the same root, and a partition for the user's files with the bundle on it."""
    inputs = _inputs(squashfs, "grub-stick.cfg")
    (inputs / "README.txt").write_text(
        README.read_text("utf-8").replace("\n", "\r\n"), encoding="utf-8", newline=""
    )
    (inputs / bundle.name).symlink_to(bundle)
    size = f"{bundle.stat().st_size // 2**20 + 320}M"
    config = STICK.format(
        name=target.name, boot=_boot("stick-"), basic=BASIC_DATA, bundle=bundle.name, files=size
    )
    _genimage(config, inputs, target)


def _boot(prefix: str = "") -> str:
    """prefix: of the partitions' names."""
    return BOOT.format(prefix=prefix, bios=BIOS_BOOT, esp=ESP, linux=LINUX, slot=SLOT)


def _inputs(squashfs: Path, grub_config: str) -> Path:
    folder = WORK / "genimage" / "in"
    remove(folder.parent)
    folder.mkdir(parents=True)
    for path in boot_loader().iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "rootfs.squashfs").symlink_to(squashfs)
    (folder / grub_config).symlink_to(RECIPES / "boot" / grub_config)
    return folder


def _genimage(config: str, inputs: Path, target: Path) -> None:
    base = inputs.parent
    (base / "genimage.cfg").write_text(config)
    (base / "empty").mkdir()
    run(
        "genimage", "--rootpath", base / "empty", "--tmppath", base / "tmp", "--inputpath", inputs,
        "--outputpath", base / "out", "--config", base / "genimage.cfg",
    )  # fmt: skip
    remove(target)
    (base / "out" / target.name).rename(target)
    remove(base)
