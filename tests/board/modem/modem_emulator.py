"""A voice modem as V.253 and the chipsets' manuals describe it, behind a pty."""

from __future__ import annotations

import numpy as np
from at_bench import AtDevice

USR = {
    "ATI0": ["5601", "OK"],
    "ATI3": ["U.S. Robotics 56K FAX USB V1.2.23", "OK"],
    "AT+VSM=?": [
        '128,"8-BIT LINEAR",8,0,(7200,8000,11025),(0),(0)',
        '129,"16-BIT LINEAR",16,0,(7200),(0),(0)',
        '131,"IMA ADPCM",4,0,(7200,8000,11025),(0),(0)',
        "OK",
    ],
}
CONEXANT = {
    "ATI0": ["56000", "OK"],
    "ATI3": ["CX93001-EIS_V0.2013-V92", "OK"],
    "AT+VSM=?": [
        "+VSM: 1,UNSIGNED PCM,8,0,8000,0,0",
        "+VSM: 129,IMA ADPCM,4,0,8000,0,0",
        "+VSM: 130,UNSIGNED PCM,8,0,8000,0,0",
        "+VSM: 140,2 Bit ADPCM,2,0,8000,0,0",
        "OK",
    ],
}
ALAW = {
    "ATI0": ["OTHER", "OK"],
    "ATI3": ["OK"],
    "AT+VSM=?": ["4,ULAW,8,0,8000,0,0", "5,ALAW,8,0,8000,0,0", "OK"],
}
LINEAR16 = {
    "ATI0": ["OTHER", "OK"],
    "ATI3": ["OK"],
    "AT+VSM=?": ['133,"LINEAR",16,0,(7200-16000),0,0', "OK"],
}

BLOCK = 160
TICK_S = 0.02


def u8(samples):
    return ((samples.astype(np.int32) >> 8) + 128).astype(np.uint8).tobytes()


def from_u8(data):
    return ((np.frombuffer(data, np.uint8).astype(np.int32) - 128) * 256).astype(np.int16)


class Modem(AtDevice):
    """`line` (board.sim-like callable) gives what comes from the exchange, and takes what we say."""

    def __init__(self, facts=USR, ends=(b"!", b"\x03"), ppm=0.0, code=(u8, from_u8)):
        self.facts = facts
        self.ends = ends
        """Codes that, all of them, end the duplex stream."""
        self.encode, self.decode = code
        self.off_hook = False
        self.streaming = False
        self.class_ = 0
        self.vcid = 0
        self.vsm = ""
        self.incoming = lambda: np.zeros(BLOCK, np.int16)
        self.outgoing = lambda samples: None
        self.block_s = TICK_S * (1 - ppm / 1e6)
        self.sound_in = bytearray()
        self._ended = set()
        self._dle = False
        self.stream_generation = 0
        self.deaf = False
        self.cut = None
        """Where each block is cut in two on its way."""
        super().__init__()

    # ------------------------------------------------------------- commands
    def answer(self, text):
        upper = text.upper()
        if upper in self.facts:
            return self.facts[upper]
        if upper in ("ATZ",):
            self.echo, self.off_hook, self.class_ = True, False, 0
            return ["OK"]
        if upper.startswith("ATE0"):
            self.echo = False
            return ["OK"]
        if upper == "AT+FCLASS=8":
            self.class_ = 8
            return ["OK"]
        if upper.startswith("AT+VSM="):
            self.vsm = upper.removeprefix("AT+VSM=")
            number = self.vsm.split(",")[0]
            known = any(row.removeprefix("+VSM: ").startswith(number + ",") for row in self.facts["AT+VSM=?"])
            return ["OK"] if known and ",8000" in self.vsm else ["ERROR"]
        if upper.startswith("AT+VCID="):
            self.vcid = int(upper[-1])
            return ["OK"]
        if upper.startswith("AT+VLS="):
            if self.class_ != 8:
                return ["ERROR"]
            self.off_hook = upper.endswith("=1")
            return ["OK"]
        if upper == "AT+VTR":
            if not self.off_hook:
                return ["ERROR"]
            self.after(0.0, self.open_stream)
            return None
        if upper.startswith(("AT+VIT", "AT+VSD", "ATS29", "ATDP", "AT+VTS")):
            return ["OK"]
        return ["ERROR"]

    # --------------------------------------------------------------- stream
    def open_stream(self):
        self.text("CONNECT")
        self.streaming = True
        self._ended = set()
        self._dle = False
        self.stream_generation += 1
        generation = self.stream_generation
        self.after(self.block_s, lambda: self.pump(generation))

    def pump(self, generation):
        if not self.streaming or generation != self.stream_generation or self.dead:
            return
        data = self.encode(self.incoming()).replace(b"\x10", b"\x10\x10")
        self.send(data[: self.cut])
        if self.cut is not None:
            self.after(self.block_s / 2, lambda: self.send(data[self.cut :]))
        self.after(self.block_s, lambda: self.pump(generation))

    def event(self, code):
        self.send(b"\x10" + code.encode("latin-1"))

    def end_stream(self, word="OK"):
        self.streaming = False
        self.send(b"\x10\x03")
        if word:
            self.text(word)

    def byte(self, byte):
        if not self.streaming:
            if self._dle:
                self._dle = False
            elif byte == 0x10:
                self._dle = True
            else:
                super().byte(byte)
            return
        if self._dle:
            self._dle = False
            code = bytes([byte])
            if code == b"\x10":
                self.hear(0x10)
            elif code in self.ends and not self.deaf:
                self._ended.add(code)
                if self._ended >= set(self.ends):
                    self.end_stream()
        elif byte == 0x10:
            self._dle = True
        else:
            self.hear(byte)

    def hear(self, octet):
        self.sound_in.append(octet)
        size = len(self.encode(np.zeros(BLOCK, np.int16)))
        if len(self.sound_in) >= size:
            self.outgoing(self.decode(bytes(self.sound_in[:size])))
            del self.sound_in[:size]

    # ----------------------------------------------------------------- line
    def ring(self):
        self.text("RING")

    def caller_id(self, number="13800138000", name=""):
        if self.vcid == 1:
            lines = ["DATE = 1121", "TIME = 2359", f"NMBR = {number}"] + ([f"NAME = {name}"] if name else [])
            self.text(*lines)
        elif self.vcid == 2:
            self.text(mdmf(number, name).hex().upper())


def mdmf(number, name=""):
    body = b"\x01\x0811212359" + bytes([2, len(number)]) + number.encode()
    if name:
        body += bytes([7, len(name)]) + name.encode("latin-1")
    message = bytes([0x80, len(body)]) + body
    return message + bytes([-sum(message) % 256])
