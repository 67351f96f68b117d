"""A cellular module as 3GPP TS 27.005/27.007 and the makers' manuals describe it: two ptys."""

from __future__ import annotations

import numpy as np
from at_bench import AtDevice, PtyDevice

from board.cellular.longsms import split
from board.cellular.pdu import Submit, decode, encode_submit

BLOCK = 160

MAKES = {
    "quectel": ["Quectel", "EC25", "Revision: EC25EUGAR06A03M4G"],
    "simcom": ["Manufacturer: SIMCOM INCORPORATED", "Model: SIMCOM_SIM7600G-H"],
    "huawei": ["Manufacturer: huawei", "Model: E173", "Revision: 11.126.85.00.209"],
}


class Sound(PtyDevice):
    """The PCM port."""

    def __init__(self):
        self.heard = bytearray()
        super().__init__()

    def received(self, data):
        self.heard += data

    def samples(self):
        return np.frombuffer(bytes(self.heard[: len(self.heard) & ~1]), "<i2")


STATES = {"active": 0, "dialing": 2, "alerting": 3, "incoming": 4}


class Module(AtDevice):
    """One module with its SIM card and its network."""

    def __init__(self, make="quectel", signs=True):
        self.make = make
        self.signs = signs
        """Whether call states are told by themselves, as the maker does."""
        self.sound = Sound()
        self.incoming = lambda: np.zeros(BLOCK, np.int16)
        self.sim = "READY"
        self.pin = "1234"
        self.pin_tries = 0
        self.creg, self.cereg, self.csq = 1, 1, 20
        self.state = ""
        self.number = ""
        self.kind = 129
        self.ours = False
        self.qpcmv = self.cpcmreg = self.ddsetex = False
        self.generation = 0
        self.sound_works = True
        self.piled_up = b""
        self.resets = 0
        self.boot_s = 20.0
        self.store = {}
        self.sent = []
        self.sms_error = None
        self._body = None
        self.keys = []
        super().__init__()

    # ------------------------------------------------------------- commands
    def byte(self, byte):
        if self._body is not None:
            if byte == 0x1A:
                body, self._body = bytes(self._body), None
                self.after(0.5, lambda: self.took(body))
            elif byte == 0x1B:
                self._body = None
            else:
                self._body.append(byte)
        elif byte != 0x1B:
            super().byte(byte)

    def answer(self, text):
        match text:
            case "AT" | "AT+CMEE=1" | "AT+CMGF=0" | "AT+CLIP=1" | "AT+CREG=2" | "AT+CEREG=2":
                return ["OK"]
            case "ATE0":
                self.echo = False
                return ["OK"]
            case "AT+CGMI":
                return [MAKES[self.make][0].removeprefix("Manufacturer: "), "OK"]
            case "ATI":
                return [*MAKES[self.make], "OK"]
            case "AT+CPIN?":
                return [f"+CPIN: {self.sim}", "OK"] if self.sim else ["+CME ERROR: 10"]
            case "AT+CREG?":
                return [f'+CREG: 2,{self.creg},"1A2B","01C3D4E5",7', "OK"]
            case "AT+CEREG?":
                return [f'+CEREG: 2,{self.cereg},"1A2B","01C3D4E5",7', "OK"]
            case "AT+CSQ":
                return [f"+CSQ: {self.csq},99", "OK"]
            case "AT+CLCC":
                return [*self.clcc(), "OK"]
            case "ATA":
                return self.ata()
            case "AT+CHUP" | "ATH":
                self.over(told=False)
                return ["OK"]
            case "AT+CMGL=4":
                rows = [
                    line
                    for slot, pdu in self.store.items()
                    for line in (f"+CMGL: {slot},1,,{len(pdu) // 2}", pdu)
                ]
                return [*rows, "OK"]
            case "AT+CFUN=1,1":
                return self.restart()
        return self.maker(text)

    def maker(self, text):
        head, _, value = text.partition("=")
        if head == "AT+CPIN":
            self.pin_tries += 1
            if value != f'"{self.pin}"':
                return ["+CME ERROR: 16"]
            self.sim = "READY"
            return ["OK"]
        if head in ("AT+CPMS", "AT+CNMI", "AT+CMGF"):
            return ["OK"]
        if head == "AT+CMGS":
            self._body = bytearray()
            self.send(b"\r\n> ")
            return None
        if head == "AT+CMGR":
            pdu = self.store.get(int(value))
            return [f"+CMGR: 0,,{len(pdu) // 2}", pdu, "OK"] if pdu else ["OK"]
        if head == "AT+CMGD":
            self.store.pop(int(value), None)
            return ["OK"]
        if text.startswith("ATD") and text.endswith(";"):
            return self.dial(text[3:-1])
        if head in ("AT+VTS", "AT^DTMF"):
            if (head == "AT^DTMF") != (self.make == "huawei"):
                return ["ERROR"]
            self.keys.append(value.strip('"').rpartition(",")[2])
            return ["OK"]
        mine = {
            "quectel": ("AT+QPCMV", "AT+QINDCFG", "AT^DSCI", "AT+QTONEDET"),
            "simcom": ("AT+CPCMREG", "AT+CPCMFRM", "AT+CLCC", "AT+DDET"),
            "huawei": ("AT^DDSETEX", "AT^CURC", "AT^CVOICE"),
        }[self.make]
        if head not in mine:
            return ["ERROR"]
        if head == "AT+QPCMV":
            self.qpcmv = value == "1,0"
        elif head == "AT+CPCMREG":
            if self.state != "active":
                return ["ERROR"]
            self.cpcmreg = value == "1"
        elif head == "AT^DDSETEX":
            self.ddsetex = value == "2"
        return ["OK"]

    def restart(self):
        self.resets += 1
        self.state = ""
        self.generation += 1
        self.sound_works = True
        self.dead = False
        self.echo = True
        self.qpcmv = self.cpcmreg = self.ddsetex = False
        self.unplug()
        self.sound.unplug()
        self.after(self.boot_s, self.boot)
        return None

    def boot(self):
        self.plug_in()
        self.sound.plug_in()

    def text(self, *lines):
        if not self.link.gone:
            super().text(*lines)

    # ---------------------------------------------------------------- calls
    def clcc(self):
        if not self.state:
            return []
        number = f',"{self.number}",{self.kind}' if self.number else ""
        return [f"+CLCC: 1,{int(not self.ours)},{STATES[self.state]},0,0{number}"]

    def sign(self, state, *texts):
        """A new state, told in the maker's words."""
        self.state = state
        if not self.signs:
            return
        stat = STATES.get(state, -1)
        way = int(not self.ours)
        if self.make == "quectel":
            self.text(f'+QIND: "ccinfo",1,{way},{stat},0,0,"{self.number}",{self.kind}')
        elif self.make == "simcom":
            self.text(f'+CLCC: 1,{way},{6 if stat < 0 else stat},0,0,"{self.number}",{self.kind}')
        self.text(*texts)

    def ring(self, number="13800138000", kind=129, validity=0, times=100, clip=True):
        """A call comes in."""
        self.number, self.kind, self.ours = number, kind, False
        self.sign("incoming")
        self.generation += 1
        generation = self.generation

        def once(left):
            if self.state == "incoming" and generation == self.generation and left:
                self.text("RING", *([f'+CLIP: "{number}",{kind},,,,{validity}'] if clip else []))
                self.after(5.0, lambda: once(left - 1))

        once(times)

    def ata(self):
        if self.state != "incoming":
            return ["+CME ERROR: 3"]
        self.connect()
        return ["OK"]

    def dial(self, number):
        if self.state:
            return ["ERROR"]
        self.number, self.ours = number, True
        self.kind = 145 if number.startswith("+") else 129
        told = ["^ORIG:1,0"] if self.make == "huawei" else []
        self.after(0.1, lambda: self.sign("dialing", *told))
        self.pump_start()
        return ["OK"]

    def alert(self):
        self.sign("alerting", *(["^CONF:1"] if self.make == "huawei" else []))

    def connect(self):
        words = {"simcom": ["VOICE CALL: BEGIN"], "huawei": ["^CONN:1,0"]}.get(self.make, [])
        self.sign("active", *words)
        self.pump_start()

    def over(self, told=True, cause=16):
        if not self.state:
            return
        words = {
            "quectel": ["NO CARRIER"],
            "simcom": ["VOICE CALL: END: 000017", "NO CARRIER"],
            "huawei": [f"^CEND:1,17,67,{cause}"],
        }[self.make]
        if self.make != "huawei" and cause == 17:
            words = ["BUSY"]
        self.cpcmreg = self.ddsetex = False
        self.generation += 1
        self.sign("", *(words if told else words[:1]))

    # ---------------------------------------------------------------- sound
    def pump_start(self):
        self.generation += 1
        generation = self.generation
        self.after(0.02, lambda: self.pump(generation))

    def pump(self, generation):
        if generation != self.generation or self.sound.link.gone:
            return
        if self.sound_works and (self.qpcmv or self.cpcmreg or self.ddsetex):
            self.sound.send(self.incoming().astype("<i2").tobytes())
        self.after(0.02, lambda: self.pump(generation))

    # ------------------------------------------------------------- messages
    def took(self, body):
        if self.sms_error is not None:
            self.text(self.sms_error)
            return
        message = decode(body.decode("ascii"))
        assert isinstance(message, Submit)
        self.sent.append(message)
        self.text(f"+CMGS: {len(self.sent)}", "OK")

    def deliver(self, *pdus):
        """Messages arrive and are stored."""
        for pdu in pdus:
            slot = next(n for n in range(100) if n not in self.store)
            self.store[slot] = pdu
            self.text(f'+CMTI: "SM",{slot}')


def delivers(text, sender="0D91683108108300F0", stamp="62111232950023"):
    """DELIVER PDUs of a text, made out of SUBMIT ones (whose user data is the same)."""
    out = []
    for part in split("10086", text, 77):
        digits, _ = encode_submit(part)
        tpdu = bytes.fromhex(digits[2:])
        # first octet, reference, address (2 + 3), PID, DCS
        first = (tpdu[0] & 0x40) | 0x04
        rest = tpdu[7:]
        pid_dcs, user_data = rest[:2], rest[2:]
        out.append("00" + f"{first:02X}" + sender + pid_dcs.hex().upper() + stamp + user_data.hex().upper())
    return out
