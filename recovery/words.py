"""What recovery says on the screen and its page, in English and Chinese."""

from __future__ import annotations

LANGUAGES = {"en": "English", "zh": "中文"}

WORDS: dict[str, dict[str, str]] = {
    "title": {"en": "Zongji recovery", "zh": "总机 恢复系统"},
    "serial": {"en": "This box", "zh": "本机编号"},
    "no_box": {"en": "There is no disk of this product in this machine.", "zh": "本机没有本产品的磁盘。"},
    "no_serial": {
        "en": "This box has no serial number that could be read.",
        "zh": "读不到本机编号。",
    },
    "page_at": {"en": "Page on the network", "zh": "网络页面"},
    "code": {"en": "Presence code for the page", "zh": "网页所需的现场码"},
    "choose": {"en": "Type a number and press Enter", "zh": "输入数字后按回车"},
    "language": {"en": "L: language", "zh": "L：切换语言"},
    "sure": {"en": "Type yes to do it, anything else to go back", "zh": "输入 yes 执行，其他返回"},
    "type_serial": {"en": "Type the box's serial number to go on", "zh": "请输入本机编号以继续"},
    "will": {"en": "This will", "zh": "将会"},
    "done": {"en": "Done.", "zh": "完成。"},
    "not_done": {"en": "Not done", "zh": "未执行"},
    "going_on": {"en": "An action that was cut off is being finished", "zh": "正在完成被中断的操作"},
    "option": {"en": "Which", "zh": "请选择"},
    "file": {"en": "File name on the stick, or Enter for the newest", "zh": "U 盘上的文件名，回车用最新的"},
    "bundle": {
        "en": "Name of the bundle on the stick, or Enter if it is the only one",
        "zh": "U 盘上的更新包文件名，只有一个时按回车",
    },
    "image": {
        "en": "Name of the disk image on the stick, or Enter if it is the only one",
        "zh": "U 盘上的磁盘映像文件名，只有一个时按回车",
    },
    "key": {"en": "Recovery key, or Enter for this box's own", "zh": "恢复密钥，回车用本机的"},
    "disk": {
        "en": "Type model or serial number of the disk that may be erased",
        "zh": "请输入允许清空的磁盘型号或序列号",
    },
    "erase": {
        "en": "If there is anything on it and it may go, type erase; else Enter",
        "zh": "如该磁盘上有数据且可删除，请输入 erase，否则回车",
    },
    "older": {
        "en": "If it is an older version and that is meant, type older; else Enter",
        "zh": "如确需退回旧版本，请输入 older，否则回车",
    },
    "unsealed": {
        "en": "If it has no seal and you know where it comes from, type unsealed; else Enter",
        "zh": "如备份没有封印且来源可靠，请输入 unsealed，否则回车",
    },
    "fresh": {
        "en": "The disk of this box is new; its first start gives it a serial number.",
        "zh": "本机磁盘是新的，首次启动后才有编号。",
    },
    "type_yes": {
        "en": "This box has no serial number; type yes to go on",
        "zh": "本机没有编号，请输入 yes 以继续",
    },
    "fingerprint": {
        "en": "Its certificate, to compare with what the browser shows (SHA-256)",
        "zh": "证书指纹，请与浏览器显示的核对（SHA-256）",
    },
    "retry": {"en": "Nobody is here: the box tries again in", "zh": "无人操作，自动重试倒计时"},
    "minutes": {"en": "minutes", "zh": "分钟"},
    "enter_code": {"en": "Enter the presence code from the box's screen", "zh": "请输入设备屏幕上的现场码"},
    "wrong_code": {"en": "Wrong code", "zh": "现场码错误"},
    "locked": {"en": "Too many tries; wait", "zh": "尝试次数过多，请等待"},
    "do": {"en": "Do it", "zh": "执行"},
    "go_on": {"en": "Go on", "zh": "继续"},
    "changed": {
        "en": "What would be done has changed since it was shown. Nothing was done: look at it again.",
        "zh": "将要执行的内容在显示之后有变化，未执行任何操作，请重新核对。",
    },
    "back": {"en": "Go back, do nothing", "zh": "返回，不执行"},
    "busy": {"en": "Being done", "zh": "正在执行"},
    "last": {"en": "Last result", "zh": "上次结果"},
}
ACTIONS: dict[str, dict[str, str]] = {
    "reinstall": {"en": "Reinstall the system, keep all data", "zh": "重装系统，保留全部数据"},
    "restore": {"en": "Restore a backup", "zh": "恢复备份"},
    "install": {"en": "Install an update bundle from the stick", "zh": "从 U 盘安装更新包"},
    "reset_password": {"en": "New password for the administrator", "zh": "重设管理员密码"},
    "copy_recordings": {"en": "Copy the recordings to the stick", "zh": "复制录音到 U 盘"},
    "diagnose": {"en": "Check hardware and disks", "zh": "检查硬件和磁盘"},
    "support": {"en": "Support bundle to the stick", "zh": "支持包存到 U 盘"},
    "factory_reset": {"en": "Factory reset, keep recordings", "zh": "恢复出厂设置，保留录音"},
    "factory_reset_all": {"en": "Factory reset, delete recordings too", "zh": "恢复出厂设置，删除录音"},
    "write_image": {
        "en": "Put the product on another disk (erases it)",
        "zh": "把产品写入其他磁盘（会清空）",
    },
    "restart": {"en": "Restart the box", "zh": "重启设备"},
}
"""In the order of the menu."""

PLANS: dict[str, dict[str, str]] = {
    "reinstall": {
        "en": "write system {slot} anew ({mb} MB); settings, calls and recordings stay",
        "zh": "重新写入系统 {slot}（{mb} MB）；设置、通话记录和录音保留",
    },
    "reinstall_older": {
        "en": "write system {slot} anew ({mb} MB), going back from version {here} to {new}; settings, calls "
        "and recordings stay",
        "zh": "重新写入系统 {slot}（{mb} MB），从版本 {here} 退回 {new}；设置、通话记录和录音保留",
    },
    "reinstall_older_database": {
        "en": "write system {slot} anew ({mb} MB), with version {new} (now: {here}), which does not know the "
        "present database: it uses the last one that it knows, of {day}, with the calls of the last 30 days "
        "added; what else was entered since is not seen. The present database is kept, and used again when a "
        "newer version is installed; recordings stay as files",
        "zh": "重新写入系统 {slot}（{mb} MB），版本 {new}（现为 {here}）。该版本不认识当前的数据库，"
        "将使用它认识的最后一个（{day}），并补入最近 30 天的通话记录；此后录入的其他内容看不到。"
        "当前数据库保留，安装较新版本后重新使用；录音文件保留",
    },
    "reinstall_no_database": {
        "en": "write system {slot} anew ({mb} MB), with version {new} (now: {here}), which does not know the "
        "present database, and there is none that it knows: its pages show maintenance until a newer version "
        "is installed or a backup that it knows is restored. The present database is kept; recordings stay "
        "as files",
        "zh": "重新写入系统 {slot}（{mb} MB），版本 {new}（现为 {here}）。该版本不认识当前的数据库，"
        "也没有它认识的数据库：在安装较新版本或恢复它认识的备份之前，网页显示维护状态。"
        "当前数据库保留；录音文件保留",
    },
    "restore": {
        "en": "replace settings, users, customers and calls by {file}; recordings are only added",
        "zh": "用 {file} 替换设置、用户、客户和通话记录；录音只增加，不删除",
    },
    "install": {
        "en": "install {file}, version {new}; settings, calls and recordings stay",
        "zh": "安装 {file}，版本 {new}；设置、通话记录和录音保留",
    },
    "install_older": {
        "en": "go back from version {here} to {new}, by {file}. Where {new} does not know the present "
        "database it uses the last one that it knows, and the present one is kept for a newer version; "
        "recordings stay",
        "zh": "用 {file} 从版本 {here} 退回 {new}。如 {new} 不认识当前的数据库，则使用它认识的最后一个，"
        "当前数据库保留给较新版本使用；录音保留",
    },
    "reset_password": {
        "en": "give an administrator a new password; the old one no longer works",
        "zh": "为管理员设置新密码；旧密码失效",
    },
    "copy_recordings": {
        "en": "copy {count} recordings ({mb} MB) to the stick",
        "zh": "把 {count} 个录音（{mb} MB）复制到 U 盘",
    },
    "diagnose": {
        "en": "look at disks, memory, cards and systems; nothing is changed",
        "zh": "检查磁盘、内存、板卡和系统；不做任何更改",
    },
    "support": {
        "en": "write a support bundle without secrets to the stick",
        "zh": "把不含密码和密钥的支持包写到 U 盘",
    },
    "factory_reset": {
        "en": "delete settings, users, customers, calls, backups and the recovery key of this box; "
        "recordings stay as files",
        "zh": "删除本机的设置、用户、客户、通话记录、备份和恢复密钥；录音文件保留",
    },
    "factory_reset_all": {
        "en": "delete settings, users, customers, calls, backups and the recovery key of this box; "
        "recordings are deleted too",
        "zh": "删除本机的设置、用户、客户、通话记录、备份和恢复密钥；录音也一并删除",
    },
    "factory_reset_unreadable": {
        "en": "make the data partition anew, which cannot be read, and delete the settings of this box",
        "zh": "重建无法读取的数据分区，并删除本机的设置",
    },
    "write_image": {
        "en": "erase the disk {disk} and write {file} to it",
        "zh": "清空磁盘 {disk} 并写入 {file}",
    },
    "write_image_over": {
        "en": "erase the disk {disk} with all that is on it ({found}) and write {file} to it",
        "zh": "清空磁盘 {disk} 及其上的全部内容（{found}）并写入 {file}",
    },
    "restart": {"en": "start the box again", "zh": "重新启动设备"},
}
"""What an action would do; what stands in braces is put in."""

STEPS: dict[str, dict[str, str]] = {
    "begin": {"en": "beginning", "zh": "开始"},
    "writing": {"en": "writing", "zh": "写入"},
    "verifying": {"en": "verifying", "zh": "读回核对"},
    "copying": {"en": "copying", "zh": "复制"},
    "checking": {"en": "checking the whole bundle", "zh": "核对整个更新包"},
    "deleting": {"en": "deleting", "zh": "删除"},
    "written": {"en": "written", "zh": "已写入"},
    "unpacking": {"en": "unpacking", "zh": "解包"},
    "migrating": {"en": "migrating", "zh": "转换数据库"},
    "disks": {"en": "disks", "zh": "磁盘"},
    "memory": {"en": "memory", "zh": "内存"},
    "pci": {"en": "PCI cards", "zh": "PCI 板卡"},
    "usb": {"en": "USB devices", "zh": "USB 设备"},
    "kernel": {"en": "messages of the kernel", "zh": "内核消息"},
    "partitions": {"en": "partitions", "zh": "分区"},
    "boot state": {"en": "boot state", "zh": "启动状态"},
    "smart": {"en": "health of disk", "zh": "磁盘健康"},
    "check": {"en": "checking", "zh": "检查分区"},
    "system": {"en": "reading system", "zh": "读取系统"},
}
"""What is told as progress, or its first word."""

PROBLEMS: dict[str, dict[str, str]] = {
    "no_data": {"zh": "无法读取本机的数据分区，请先检查硬件和磁盘"},
    "no_box": {"zh": "本机没有本产品的磁盘，或无法读取其设置"},
    "no_boot_state": {"zh": "无法读取启动分区"},
    "no_stick": {"zh": "没有插入 U 盘，请插入后重试"},
    "no_system": {"zh": "没有可供安装的系统，请使用恢复盘"},
    "system_damaged": {"zh": "恢复分区上的系统不完整，请使用恢复盘"},
    "too_small": {"zh": "磁盘太小"},
    "disk_busy": {"zh": "磁盘正在使用，无法写入；请从恢复盘启动后重试"},
    "disk_bad": {"zh": "读回的内容与写入的不一致，请更换磁盘"},
    "no_backup": {"zh": "U 盘和设备上都没有该备份"},
    "not_a_backup": {"zh": "此文件不是本产品的备份"},
    "product_refused": {"zh": "产品程序未执行"},
    "no_bundle": {"zh": "U 盘上没有更新包"},
    "which_bundle": {"zh": "U 盘上有多个更新包，请指定文件名"},
    "bundle_truncated": {"zh": "更新包文件不完整，请重新获取"},
    "bundle_unsigned": {
        "zh": "更新包没有签名：从未签名，或文件末尾缺失；已拒绝，未做任何更改。"
        "请重新获取，或向厂商索取已签名的更新包"
    },
    "bundle_foreign": {"zh": "更新包不是由本产品的厂商签名；已拒绝，未做任何更改"},
    "bundle_tampered": {"zh": "更新包在签名后被改动；已拒绝，未做任何更改"},
    "bundle_unreadable": {"zh": "无法读取更新包的说明，请重新获取"},
    "bundle_refused": {"zh": "无法读取更新包"},
    "wrong_product": {"zh": "此更新包用于其他产品"},
    "wrong_hardware": {"zh": "此更新包用于其他硬件"},
    "too_large": {"zh": "更新包太大，不是本机的更新包"},
    "downgrade": {"zh": "版本较旧，之后录入的数据旧版本可能看不到；确需退回请输入 older"},
    "bundle_clock": {"zh": "更新包签名时其证书不在有效期内；请换用重新签名的更新包"},
    "not_installed": {"zh": "更新包未安装"},
    "no_database": {"zh": "本机还没有数据库，请用屏幕上的认领码认领"},
    "stick_small": {"zh": "U 盘空间不足"},
    "stick_gone": {"zh": "U 盘写入失败，请重新插入"},
    "no_support": {"zh": "支持包未能生成"},
    "not_down": {"zh": "设备无法重启"},
    "no_image": {"zh": "U 盘上没有该磁盘映像"},
    "which_image": {"zh": "U 盘上有多个磁盘映像，请指定文件名"},
    "not_an_image": {"zh": "此文件不是本产品的磁盘映像"},
    "disk_not_named": {"zh": "请用序列号指明允许清空的磁盘"},
    "has_data": {"zh": "该磁盘上已有数据，输入 erase 则全部删除；如已有本产品，重装可保留其数据"},
    "never_started": {"zh": "本机从未启动过，请先从自身磁盘启动一次"},
    "unknown_action": {"zh": "没有这项操作"},
    "bad_option": {"zh": "选项有误"},
    "bad_order": {"zh": "recovery.json 格式有误"},
    "serial_missing": {"zh": "recovery.json 没有写明设备编号"},
    "wrong_serial": {"zh": "输入的编号与本机不符"},
    "serial_wrong": {"zh": "recovery.json 写的是另一台设备"},
    "given_up": {"zh": "该操作多次中断未能完成，请在菜单中重新执行"},
    "failed": {"zh": "操作失败"},
    "plan_changed": {"zh": "将要执行的内容在显示之后有变化，未执行任何操作，请重新核对"},
    "not_begun": {"zh": "操作未能开始，未做任何更改，请重试或重启设备"},
    "busy": {"zh": "正在执行其他操作，请等其结束"},
}


def say(key: str, language: str) -> str:
    """A sentence."""
    return WORDS[key][language]


def step_name(step: str, language: str) -> str:
    """What is being done just now; what has no words is told as it is."""
    first, _, rest = step.partition(" ")
    if step in STEPS or first not in STEPS:
        return STEPS.get(step, {}).get(language, step)
    return f"{STEPS[first][language]} {rest}"


def problem(code: str, text: str, language: str) -> str:
    """A refusal; in Chinese with the English details behind it."""
    known = PROBLEMS.get(code, {}).get(language)
    return f"{known}（{text}）" if known else text
