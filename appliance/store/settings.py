"""Settings: every parameter in one table with type, bounds, default and help (N16)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from appliance.store.database import Database
from appliance.store.errors import InvalidRow
from appliance.store.fields import Field


@dataclass(frozen=True)
class Setting:
    """One parameter. label, help and affects are in Chinese and English: {"zh": …, "en": …}."""

    key: str
    section: str
    field: Field
    label: dict[str, str]
    help: dict[str, str]
    unit: str = ""

    @property
    def default(self) -> Any:
        """The value where nobody has set one."""
        value = self.field.default
        return list(value) if isinstance(value, tuple) else value


def _setting(
    key: str,
    kind: str,
    default: Any,
    *,
    zh: tuple[str, str],
    en: tuple[str, str],
    low: float = -math.inf,
    high: float = math.inf,
    choices: tuple[str, ...] = (),
    pattern: str = "",
    meaning: str = "",
    unit: str = "",
) -> Setting:
    section = key.split(".")[0] if "." in key else "box"
    field = Field(key, kind, default, low, high, choices, pattern, meaning, en[1])
    return Setting(key, section, field, {"zh": zh[0], "en": en[0]}, {"zh": zh[1], "en": en[1]}, unit)


_HOST = r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"
_FOLDER = r"(?!\.)[^\\/:*?\"<>|]+"
_DIGITS = r"[0-9]{1,20}"

SETTINGS: dict[str, Setting] = {
    setting.key: setting
    for setting in (
        _setting(
            "company",
            "text",
            "",
            high=80,
            zh=("公司名称", "显示在页面顶部"),
            en=("Company name", "Shown at the top of the pages"),
        ),
        _setting(
            "country",
            "choice",
            "CN",
            choices=("CN", "US"),
            zh=("国家或地区", "决定信号音、振铃和号码格式，影响所有外线"),
            en=("Country", "Decides tones, ringing and how numbers are read; affects every line"),
        ),
        _setting(
            "area_code",
            "text",
            "",
            pattern=r"[0-9]{2,6}",
            meaning="the area code with its leading digit, such as 021",
            zh=("本地区号", "为本地号码补上区号，例如 021"),
            en=("Area code", "Completes local numbers, for example 021"),
        ),
        _setting(
            "language",
            "choice",
            "zh",
            choices=("zh", "en"),
            zh=("提示音语言", "来电者听到的语言"),
            en=("Prompt language", "What callers hear"),
        ),
        _setting(
            "max_call_s",
            "real",
            4 * 3600.0,
            low=60,
            high=24 * 3600,
            unit="s",
            zh=("最长通话时间", "到时自动挂断，防止线路被占死"),
            en=("Longest call", "A call is ended after this, so that no line stays taken for ever"),
        ),
        _setting(
            "not_ready_reasons",
            "list",
            ("lunch", "break", "training", "paperwork", "meeting"),
            high=30,
            zh=("示忙原因", "坐席示忙时可选的原因"),
            en=("Reasons for not ready", "What agents may choose from"),
        ),
        _setting(
            "outside.prefix",
            "text",
            "9",
            pattern=r"[0-9]{0,3}",
            meaning="up to 3 digits",
            zh=("外线字冠", "拨外线前先拨的号码；留空则非分机号一律呼出"),
            en=(
                "Outside prefix",
                "Dialled before an outside number; empty: whatever is no extension goes out",
            ),
        ),
        _setting(
            "outside.emergency",
            "list",
            ("110", "119", "120", "122", "911", "999", "112"),
            pattern=_DIGITS,
            meaning="digits",
            high=30,
            zh=("紧急号码", "任何电话随时可拨，无需签入"),
            en=("Emergency numbers", "Always dialled from any telephone, signed in or not"),
        ),
        _setting(
            "outside.barred",
            "list",
            ("00",),
            pattern=_DIGITS,
            meaning="digits",
            high=200,
            zh=("禁拨字冠", "以这些数字开头的号码不允许呼出"),
            en=("Barred prefixes", "Numbers that begin like this are refused"),
        ),
        _setting(
            "outside.dial_tone_timeout_s",
            "real",
            5.0,
            low=1,
            high=30,
            unit="s",
            zh=("等待拨号音", "超过此时间没有拨号音则换下一条线"),
            en=("Wait for dial tone", "Without dial tone for this long the line is given up"),
        ),
        _setting(
            "outside.digit_timeout_s",
            "real",
            4.0,
            low=1,
            high=20,
            unit="s",
            zh=("拨号间隔", "停顿超过此时间视为拨号完毕"),
            en=("Digit timeout", "A pause of this length ends dialling"),
        ),
        _setting(
            "outside.no_answer_s",
            "real",
            60.0,
            low=10,
            high=300,
            unit="s",
            zh=("无人接听", "呼出振铃的最长时间"),
            en=("No answer", "How long an outside call may ring"),
        ),
        _setting(
            "outside.max_digits",
            "int",
            20,
            low=3,
            high=32,
            zh=("最多位数", "一次拨号的最多位数"),
            en=("Most digits", "Longest number that may be dialled"),
        ),
        _setting(
            "sound.most_gain_db",
            "real",
            6.0,
            low=0,
            high=12,
            unit="dB",
            zh=("自动增益上限", "声音小的来电者最多放大多少；过大可能啸叫"),
            en=("Most automatic gain", "How much a quiet caller is amplified at most; too much may whistle"),
        ),
        _setting(
            "sound.most_cut_db",
            "real",
            12.0,
            low=0,
            high=20,
            unit="dB",
            zh=("自动衰减上限", "声音大的来电者最多减小多少"),
            en=("Most automatic reduction", "How much a loud caller is turned down at most"),
        ),
        _setting(
            "silence.after_s",
            "real",
            120.0,
            low=0,
            high=3600,
            unit="s",
            zh=("静音多久后提示", "通话双方都没有声音达到此时间即提示；0 表示不检查，保持中的通话不受影响"),
            en=(
                "Silence noticed after",
                "When neither side is heard for so long; 0 = never. Calls on hold are left alone",
            ),
        ),
        _setting(
            "silence.action",
            "choice",
            "tell",
            choices=("tell", "end"),
            zh=("静音时", "只提示坐席，或提示后再过 30 秒自动挂断"),
            en=("On silence", "Tell the agent only, or hang up as well after another 30 seconds"),
        ),
        _setting(
            "fax.extension",
            "text",
            "",
            pattern=r"[0-9]{2,6}",
            meaning="an extension",
            zh=("传真机分机", "接听前识别为传真的来电转到此分机；留空则仅提示坐席"),
            en=(
                "Fax machine's extension",
                "Calls that turn out to be a fax go there; empty: the agent is only told",
            ),
        ),
        _setting(
            "recording.enabled",
            "bool",
            True,
            zh=("录音", "录下每一个接通的电话"),
            en=("Record calls", "Every connected call gets a recording"),
        ),
        _setting(
            "recording.keep_days",
            "int",
            90,
            low=0,
            high=3650,
            unit="d",
            zh=("录音保留天数", "到期删除，星标录音除外；0 表示不按天数删除"),
            en=("Keep recordings", "Older ones are deleted unless starred; 0 = never by age"),
        ),
        _setting(
            "recording.quota_mb",
            "int",
            0,
            low=0,
            high=100_000_000,
            unit="MB",
            zh=("录音空间上限", "超出时先删除最旧的非星标录音；0 表示不限"),
            en=("Space for recordings", "Beyond it the oldest unstarred are deleted; 0 = no limit"),
        ),
        _setting(
            "messages.who",
            "choice",
            "everybody",
            choices=("everybody", "leaders", "nobody"),
            zh=("谁可以收发短信", "其他人看不到短信菜单；短信照常接收和保存"),
            en=(
                "Who reads and writes messages",
                "Others do not see the messages; what arrives is received and kept all the same",
            ),
        ),
        _setting(
            "backup.daily",
            "bool",
            True,
            zh=("每日备份", "每天自动备份一次并校验"),
            en=("Daily backup", "One backup a day, made and proved by itself"),
        ),
        _setting(
            "backup.hour",
            "int",
            3,
            low=0,
            high=23,
            unit="h",
            zh=("备份时间", "几点开始，宜选业务清闲的时段"),
            en=("Hour of the backup", "When it begins; choose an hour with few calls"),
        ),
        _setting(
            "backup.keep",
            "int",
            7,
            low=1,
            high=365,
            zh=("保留份数", "只计自动备份；手动备份由您自行删除"),
            en=("Backups to keep", "Of the automatic ones; those made by hand stay until you delete them"),
        ),
        _setting(
            "backup.recordings",
            "bool",
            False,
            zh=("备份包含录音", "备份会大得多，通常只在复制到大容量 U 盘时选用"),
            en=("With recordings", "Makes backups much larger; mostly of use with a large USB stick"),
        ),
        _setting(
            "backup.to_stick",
            "bool",
            True,
            zh=("复制到 U 盘", "插有 U 盘时，每日备份自动复制一份"),
            en=("Copy to a USB stick", "When a stick is plugged in, the daily backup is copied to it"),
        ),
        _setting(
            "share.copy",
            "bool",
            False,
            zh=("每日备份复制到共享", "复制后读回核对；失败时首页会提示，并每小时重试"),
            en=(
                "Copy the daily backup there",
                "It is read back before it counts; when that fails the start page says why, and it is tried "
                "again every hour",
            ),
        ),
        _setting(
            "share.server",
            "text",
            "",
            high=253,
            pattern=_HOST,
            meaning="a name or an IPv4 address, without slashes",
            zh=("服务器", "NAS 或 Windows 电脑的名称或地址，例如 nas 或 192.168.1.20"),
            en=("Server", "Name or address of the NAS or Windows computer, such as nas or 192.168.1.20"),
        ),
        _setting(
            "share.name",
            "text",
            "",
            high=80,
            pattern=r"[^\\/:*?\"<>|,]+",
            meaning="the name of a share, without slashes",
            zh=("共享名", "服务器上共享的名称，例如 backup"),
            en=("Share", "Name of the share on the server, such as backup"),
        ),
        _setting(
            "share.folder",
            "text",
            "zongji-backups",
            high=200,
            pattern=f"{_FOLDER}(/{_FOLDER})*",
            meaning="a folder, such as office/zongji",
            zh=("文件夹", "共享中的文件夹，没有则新建；例如 office/zongji"),
            en=("Folder", "In the share, made where it is missing; such as office/zongji"),
        ),
        _setting(
            "share.user",
            "text",
            "",
            high=100,
            pattern=r"[^\\/\"<>|:;,*?]+",
            meaning="a user name without a domain",
            zh=("用户名", "共享的用户；留空则匿名访问"),
            en=("User", "Who may write to the share; empty: anonymous"),
        ),
        _setting(
            "share.domain",
            "text",
            "",
            high=100,
            pattern=_HOST,
            meaning="the name of a domain or work group",
            zh=("域", "Windows 域或工作组，通常留空"),
            en=("Domain", "Windows domain or work group; mostly empty"),
        ),
        _setting(
            "share.keep",
            "int",
            30,
            low=1,
            high=3650,
            zh=("共享上保留份数", "只删除本机的每日备份；其他文件不会改动"),
            en=("Backups to keep there", "Only daily backups of this box are removed, nothing else"),
        ),
        _setting(
            "disk.warn_percent",
            "int",
            80,
            low=10,
            high=98,
            unit="%",
            zh=("磁盘预警", "使用率达到时提醒"),
            en=("Disk warning", "Warn when this much of the disk is used"),
        ),
        _setting(
            "disk.alarm_percent",
            "int",
            90,
            low=20,
            high=99,
            unit="%",
            zh=("磁盘告警", "使用率达到时告警，请尽快腾出空间"),
            en=("Disk alarm", "Alarm when this much of the disk is used: make room soon"),
        ),
    )
}


class Settings:
    """Typed values over their defaults, with the history of changes."""

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self.changed: Callable[[str], None] = lambda key: None
        """Called with the key that changed, after it has been stored."""

    def get(self, key: str) -> Any:
        """The value, or its default. Raises InvalidRow for an unknown key or a damaged value."""
        setting = self._schema(key)
        row = self._database.one("SELECT value FROM settings WHERE key = ?", [key])
        return setting.default if row is None else self._typed(setting, row["value"])

    def all(self) -> dict[str, Any]:
        """Every setting with its value, in the order of the table."""
        stored = {row["key"]: row["value"] for row in self._database.read("SELECT key, value FROM settings")}
        return {
            key: self._typed(setting, stored[key]) if key in stored else setting.default
            for key, setting in SETTINGS.items()
        }

    def set(self, key: str, value: Any, who: str) -> Any:
        """Change a setting; it is on the disk when this returns. Returns the value in its type.
        Raises InvalidRow naming the bounds."""
        setting = self._schema(key)
        try:
            typed = setting.field.check(value)
        except ValueError as error:
            raise InvalidRow([f"{key} {error}"]) from None
        with self._database.write() as db:
            old = self.get(key)
            if key in ("disk.warn_percent", "disk.alarm_percent"):
                self._check_disk(key, typed)
            if typed == old:
                return typed
            now = self._clock()
            text = json.dumps(typed, ensure_ascii=False)
            db.table("settings").upsert({"key": key, "value": text, "changed_at": now}, pk="key")
            db.table("settings_history").insert(
                {
                    "key": key,
                    "at": now,
                    "who": who,
                    "old": json.dumps(old, ensure_ascii=False),
                    "new": text,
                }
            )
        self.changed(key)
        return typed

    def history(self, key: str = "", limit: int = 100) -> list[dict[str, Any]]:
        """{key, at, who, old, new} of past changes, newest first."""
        rows = self._database.read(
            "SELECT key, at, who, old, new FROM settings_history WHERE ?1 = '' OR key = ?1"
            " ORDER BY id DESC LIMIT ?2",
            [key, limit],
        )
        return [row | {"old": json.loads(row["old"]), "new": json.loads(row["new"])} for row in rows]

    def _check_disk(self, key: str, value: Any) -> None:
        warn = value if key == "disk.warn_percent" else self.get("disk.warn_percent")
        alarm = value if key == "disk.alarm_percent" else self.get("disk.alarm_percent")
        if warn >= alarm:
            raise InvalidRow([f"the disk warning ({warn} %) must be below the disk alarm ({alarm} %)"])

    @staticmethod
    def _schema(key: str) -> Setting:
        if key not in SETTINGS:
            raise InvalidRow([f"there is no setting {key!r}"])
        return SETTINGS[key]

    @staticmethod
    def _typed(setting: Setting, text: str) -> Any:
        try:
            return setting.field.check(json.loads(text))
        except ValueError as error:
            raise InvalidRow([f"the stored setting {setting.key} {error}; set it again"]) from None
