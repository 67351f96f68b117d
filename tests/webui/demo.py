"""A lively box for pages: settings, customers, calls, a live state; the same every time."""

import math
import time
import wave
from array import array

from argon2 import PasswordHasher

PASSWORD = "correct horse battery"
_HASH = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)

FLOW = {
    "start": "greeting",
    "nodes": {
        "greeting": {"type": "play", "prompt": "greeting", "next": "menu"},
        "menu": {
            "type": "menu",
            "prompt": "menu_main",
            "timeout_s": 5.0,
            "repeats": 2,
            "on_fail": "service",
            "keys": {"1": "sales", "2": "service"},
        },
        "sales": {"type": "queue", "queue": "sales", "on_full": "busy"},
        "service": {"type": "queue", "queue": "service", "on_full": "busy"},
        "busy": {"type": "hangup", "prompt": "sorry_busy"},
    },
}
NAMES = ("王芳", "李伟", "张敏", "刘洋", "陈静", "杨帆", "赵磊", "黄丽")
CUSTOMERS = (
    ("陈建国", "华东机电有限公司", "138 1234 5678", "上海市浦东新区世纪大道 100 号", True),
    ("Emily Carter", "Carter & Sons", "+1 415 555 0132", "500 Market St, San Francisco", False),
    ("刘晓燕", "", "021-5888 6600", "上海市徐汇区漕溪北路 18 号", False),
    ("赵海", "海天物流", "13900001111", "宁波市北仑区", False),
    ("孙丽", "", "15012349876", "杭州市西湖区文三路 90 号", False),
)


def user(store, name, role, agent="", language="en"):
    """A user with PASSWORD."""
    return store.users.create(name, _HASH, role, agent, language)


def settings(store, lines=8, phones=8):
    """Lines, telephones, queues, agents and a published menu."""
    store.flows.put({"id": "main", "title": "主菜单 Main menu", "definition": FLOW}, "setup")
    store.flows.publish("main", who="setup")
    store.queues.put({"id": "sales", "name": "销售 Sales"})
    store.queues.put({"id": "service", "name": "客服 Service"})
    for n in range(1, lines + 1):
        store.lines.put(
            {"id": f"L{n}", "port": f"sim/{n - 1}", "number": f"021-5555 10{n:02}", "label": f"外线 {n}"}
        )
    for n in range(phones):
        store.phones.put({"ext": str(801 + n), "port": f"sim/{lines + n}", "label": f"坐席 {n + 1}"})
        store.agents.put(
            {"number": str(1001 + n), "name": NAMES[n % len(NAMES)], "queues": ["sales", "service"]}
        )


def customers(store):
    """A handful of customers; returns their ids."""
    return [
        store.customers.add(
            {
                "name": name,
                "company": company,
                "address": address,
                "vip": vip,
                "phones": [{"number": number, "label": "手机"}],
                "notes": "喜欢上午来电。" if vip else "",
            }
        )
        for name, company, number, address, vip in CUSTOMERS
    ]


def recording(path, seconds=12.0):
    """Speech-like sound: bursts of a wobbling tone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = array("h")
    for i in range(int(seconds * 8000)):
        t = i / 8000
        loud = max(0.0, math.sin(2.2 * t) * math.sin(13 * t)) * (0.25 if t < 4 else 0.8)
        samples.append(int(9000 * loud * math.sin(2 * math.pi * (180 + 40 * math.sin(3 * t)) * t)))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(samples.tobytes())


def calls(store, home, count=40):
    """Calls of the last days; the newest has a recording and notes. Returns the newest's id."""
    now = time.time()
    newest = ""
    for n in range(count):
        start = now - 600 - n * 2300
        name, _company, number, _address, _vip = CUSTOMERS[n % len(CUSTOMERS)]
        out, lost = n % 5 == 3, n % 7 == 4
        call_id = f"demo-{n:03}"
        connected = None if lost else start + 31
        record = {
            "id": call_id,
            "direction": "out" if out else "in",
            "line": f"L{n % 8 + 1}",
            "line_number": f"021-5555 10{n % 8 + 1:02}",
            "caller_number": "" if out else number,
            "caller_name": "" if out else name,
            "called_number": number if out else "",
            "queue": "" if out else ("sales", "service")[n % 2],
            "agent": "" if lost else str(1001 + n % 4),
            "agents": [] if lost else [str(1001 + n % 4)],
            "phone": "" if lost else str(801 + n % 4),
            "keys": "" if out else str(n % 2 + 1),
            "flow": "" if out else "main",
            "started_at": start,
            "answered_at": start + 4,
            "queued_at": None if out else start + 14,
            "connected_at": connected,
            "ended_at": start + (44 if lost else 31 + 35 + n * 7),
            "wait_s": 0.0 if out else 17.0,
            "talk_s": 0.0 if lost else 35.0 + n * 7,
            "end_reason": ("no_answer" if out else "abandoned_queue") if lost else "caller_hangup",
            "cue": "" if lost else "tone",
            "recording_s": 12.0 if n < 3 and not lost else 0.0,
            "recording": f"2026/11/21/{call_id}.wav" if n < 3 and not lost else "",
            "steps": [
                {"at": start, "what": "ring"},
                {"at": start + 2.1, "what": "callerid", "number": number},
                {"at": start + 4, "what": "answer"},
                {"at": start + 5, "what": "node", "node": "menu"},
                {"at": start + 6, "what": "key", "key": "1"},
                {"at": start + 7, "what": "queue", "queue": "sales"},
                {"at": start + 7.4, "what": "offer", "agent": "1001", "phone": "801"},
                {"at": start + 8, "what": "connect", "agent": "1001"},
                {"at": start + 15, "what": "hangup", "cue": "tone"},
            ],
        }
        store.calls.save(record)
        if record["recording"]:
            recording(home.recordings / record["recording"])
        newest = newest or call_id
    store.calls.note(newest, "1001", "客户询问报价，已约周三上午回电。\nSend the price list by Wednesday.")
    store.calls.star(newest, True)
    return newest


def messages(store):
    """A conversation with a customer, one with a word, two that failed."""
    now = time.time()

    def come(name, number, text, ago_s):
        told = {"kind": "received", "port": "sim1/0", "number": number, "text": text, "missing": 0}
        store.messages.save(name, told | {"sent_at": now - ago_s, "at": now - ago_s}, True)

    def go(number, text, state, reason="", references=(), unsure=False):
        row = store.messages.write(number, text, "1001")
        told = {"kind": "sent", "port": "sim1/0", "number": row["dial"], "text": text, "state": state}
        told |= {"reason": reason, "unsure": unsure, "references": list(references), "at": time.time()}
        return store.messages.save(row["id"], told, True)

    store.lines.put({"id": "L20", "port": "sim1/0", "number": "13700000000", "label": "手机"})
    come("in-1", "13812345678", "你好，我订的 20 件什么时候发货？", 7200)
    come("in-2", "+8613812345678", "谢谢，收到了。😀", 300)
    go("13812345678", "您好，明天上午发货，下午三点前送到。", "sent", references=[1])
    come("in-3", "95588", "您尾号 1234 的账户收入 5,000.00 元。", 90000)
    come("in-4", "TAXI-24", "Your driver is here. <script>alert(1)</script>", 86400 * 3)
    go(
        "13900001111",
        "请回电 021-5555 1001",
        "failed",
        "the network cannot take messages now: try again later (+CMS ERROR: 38)",
    )
    go("13900001111", "请回电", "failed", "the engine stopped while it was being sent", unsure=True)


def hardware():
    """What control tells of four cards: one in order, one with a radio, one lost, one without its driver."""
    now = time.time()
    counters = {"slips": 0, "slipped_samples": 0, "underruns": 0, "play_underruns": 0, "lost_samples": 0}

    def found(name, model, driver, state="in use", problem="", scheme="linecard"):
        row = {"name": name, "scheme": scheme, "model": model, "driver": driver, "state": state}
        return row | {"address": f"{scheme}:{name}", "card": "" if problem else name, "problem": problem}

    def socket(name, kind, used_as="", state="idle", radio=None):
        return {"name": name, "kind": kind, "used_as": used_as, "state": state, "can": [], "radio": radio}

    def clock(card, leads, **more):
        return {
            "card": card,
            "leads": leads,
            "drift_ppm": 0.0,
            "fill_ms": 0.0,
            **counters,
            "device": {},
        } | more

    def result(test, quality, value, unit):
        return {"test": test, "quality": quality, "value": value, "unit": unit}

    test = {"ref": "1", "work": "line_test", "card": "ZJ1", "port": "ZJ1/1", "state": "done", "reason": ""}
    results = [result("hemf", "pass", 1.2, "V"), result("rflt", "fail", 8000, "ohm")]
    results += [result("ringers", "unknown", None, "REN"), result("roh", "pass", 0, "")]
    why = "driver wctdm24xxp is not installed: install Debian's dahdi-dkms"
    radio = {"sim": "ready", "registration": "roaming", "signal_dbm": -87}
    held = (
        ("ZJ1", "in use", "1.0.4", ["line-test", "update"]),
        ("sim1", "in use", "quectel EC25", ["cellular"]),
    )
    return {
        "engine": {"up": True, "since": now - 9000, "problem": ""},
        "notices": [
            {
                "at": now - 60,
                "level": "error",
                "code": "line_quarantined",
                "data": {"line": "L2", "reason": "hum"},
            },
            {"at": now - 90, "level": "info", "code": "recording_works_again", "data": {}},
            {
                "at": now - 900,
                "level": "error",
                "code": "card_lost",
                "data": {"card": "ZJ2", "reason": "pulled"},
            },
            {"at": now - 9000, "level": "info", "code": "card_added", "data": {"card": "ZJ1", "ports": 3}},
        ],
        "health": {
            "shelf": [
                {"id": name, "state": state, "ports": 2, "firmware": version, "features": able}
                for name, state, version, able in (*held, ("ZJ2", "lost", "1.0.4", ["line-test"]))
            ],
            "hardware": [
                found("ZJ1", "Zongji 16", "snd-usb-audio"),
                found("sim1", "Quectel EC25", "option", scheme="cellular"),
                found("ZJ2", "Zongji 16", "snd-usb-audio"),
                found("pci-0000:04:08.0", "Digium TDM2400P", "wctdm24xxp", "problem", why, "dahdi"),
            ],
            "cards": [
                clock("ZJ1", True),
                clock("sim1", False, drift_ppm=-41.5, fill_ms=43.1, slips=2, device={"underruns": 3}),
            ],
            "sockets": [
                socket("ZJ1/0", "FXO", "L1", "in use"),
                socket("ZJ1/1", "FXO", "L2"),
                socket("ZJ1/2", "FXS", "801"),
                socket("ZJ1/3", "FXS"),
                socket("sim1/0", "FXO", "L8", radio=radio),
                socket("ZJ2/0", "FXO", "L7", "the card has started anew"),
            ],
            "lines": [
                {"id": "L1", "port": "ZJ1/0", "volts": -48.2},
                {"id": "L2", "port": "ZJ1/1", "volts": -47.0},
            ],
            "work": [test | {"results": results, "at": now - 30}],
        },
    }


def live(now=None):
    """A busy moment: every state once."""
    now = now or time.time()
    lines = ["talking", "queued", "ringing", "ivr", "out_talking", "idle", "held", "fault"]
    agents = ["talking", "ready", "not_ready", "wrap_up", "ringing", "outbound", "signed_out", "hold"]
    return {
        "now": now,
        "lines": [
            {
                "id": f"L{n + 1}",
                "number": f"021-5555 10{n + 1:02}",
                "label": f"外线 {n + 1}",
                "state": state,
                "since": now - 17 * (n + 1),
                "call": f"c{n}" if state not in ("idle", "fault") else "",
                "caller_number": "" if state in ("idle", "fault") else CUSTOMERS[n % 5][2],
                "caller_name": "",
                "queue": "sales" if state == "queued" else "",
                "agent": {"talking": "1001", "held": "1008", "out_talking": "1006"}.get(state, ""),
            }
            for n, state in enumerate(lines)
        ],
        "phones": [
            {
                "ext": str(801 + n),
                "label": f"坐席 {n + 1}",
                "state": {"talking": "talking", "ringing": "ringing", "outbound": "talking"}.get(
                    state, "idle"
                ),
                "since": now - 40,
                "agent": str(1001 + n) if state != "signed_out" else "",
            }
            for n, state in enumerate(agents)
        ],
        "agents": [
            {
                "number": str(1001 + n),
                "name": NAMES[n],
                "state": state,
                "reason": "lunch" if state == "not_ready" else "",
                "since": now - 23 * (n + 1),
                "phone": str(801 + n) if state != "signed_out" else "",
                "call": {"talking": "c0", "ringing": "c1", "outbound": "c4", "hold": "c6"}.get(state, ""),
                "wrap_up_until": now + 12 if state == "wrap_up" else None,
                "queues": ["sales", "service"],
            }
            for n, state in enumerate(agents)
        ],
        "queues": [
            {
                "id": "sales",
                "name": "销售 Sales",
                "waiting": 2,
                "longest_since": now - 48,
                "ready": 1,
                "talking": 2,
                "signed_in": 7,
            },
            {
                "id": "service",
                "name": "客服 Service",
                "waiting": 0,
                "longest_since": None,
                "ready": 1,
                "talking": 1,
                "signed_in": 7,
            },
        ],
        "calls": [
            {
                "id": f"c{n}",
                "direction": "out" if n == 4 else "in",
                "line": f"L{n + 1}",
                "state": lines[n],
                "since": now - 17 * (n + 1),
                "started": now - 17 * (n + 1) - 20,
                "caller_number": "" if n == 4 else CUSTOMERS[n % 5][2],
                "caller_name": "",
                "called_number": CUSTOMERS[n % 5][2] if n == 4 else "021-5555 1001",
                "queue": "sales" if n in (0, 1) else "",
                "agent": {0: "1001", 4: "1006", 6: "1008"}.get(n, ""),
                "phone": {0: "801", 4: "806", 6: "808"}.get(n, ""),
                "keys": "1" if n < 2 else "",
                "position": 1 if n == 1 else None,
            }
            for n in (0, 1, 2, 3, 4, 6)
        ],
    }


STATUS = {
    "engine": {"up": True, "since": 1795300000.0, "problem": ""},
    "database": {"ok": True, "problem": "", "advice": ""},
    "plan": {"published": True, "problems": [], "warnings": [], "compiled_at": 1795300100.0},
    "disk": {"level": "ok", "used_percent": 41.5, "free_bytes": 68e9, "total_bytes": 120e9, "problem": ""},
    "maintenance": False,
    "started_at": 1795300000.0,
    "records": {"waiting": 0, "problem": "", "refused": {}},
    "spool": 0,
    "versions": {"zongji": "0.1.0", "schema": 3, "sqlite": "3.40.1", "python": "3.11.7"},
}
