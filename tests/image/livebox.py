"""A running box of the image, as tests know it: machine, pages, and a shell that its support switch opened.

There is no back door in the image: the shell is remote support, switched on through the box's own page
with a key that the tests make.
"""

import base64
import io
import json
import re
import shlex
import subprocess
import tarfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.image.pages import Pages
from tests.image.vm import PATIENCE_S, Vm, VmError, run

REPOSITORY = Path(__file__).resolve().parents[2]
INSIDE = "/run/inside"
PASSWORD = "correct horse battery"
TAKES_CALLS = r"State     takes calls"
PYTHON = "/usr/lib/zongji/venv/bin/python"
SYSTEM_SOCKET = "/run/zongji/system.sock"
CONTROL_SOCKET = "/data/zongji/run/control.sock"

ASK = """
import json, sys
from pathlib import Path
from appliance.client import CallFailed, ControlClient
socket, method, params = json.loads(sys.stdin.readline())
try:
    print(json.dumps({"result": ControlClient(Path(socket), 300.0).call(method, **params)}))
except CallFailed as error:
    print(json.dumps({"error": {"code": error.code, "message": str(error)}}))
"""


class Refused(Exception):
    """The box refuses; `code` names the reason."""

    def __init__(self, code: str, message: str):
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass
class Box:
    """One started box. `key`: the private key of remote support, once it is open."""

    vm: Vm
    key: Path | None = None
    pages: Pages = field(init=False)

    def __post_init__(self) -> None:
        self.pages = Pages(self.vm)

    def __enter__(self) -> "Box":
        return self

    def __exit__(self, *raised: object) -> None:
        try:
            if raised[0] is not None:
                print(self.seen())
        finally:
            self.vm.cut()

    def seen(self) -> str:
        """What there is to see of a box on which a test has failed."""
        console, journal = self.vm.log()[-3000:], ""
        if self.key is not None:
            try:
                journal = self.shell(
                    "journalctl -b -n 200 -o short-monotonic --no-pager", timeout_s=60, check=False
                )
            except subprocess.TimeoutExpired:
                journal = "remote support does not answer"
        return f"{console}\n{journal}"

    # --- first minutes ------------------------------------------------------------------

    def wait_takes_calls(self) -> float:
        """Wait for the console's word; seconds since power on."""
        self.vm.wait_console(TAKES_CALLS)
        return self.vm.elapsed_s()

    def claim(self) -> str:
        """Make the administrator with the code that the console shows; the code."""
        code = self.vm.wait_console(r"Claim code (\d{8})\b")[1]
        self.pages.wait("/claim")
        page = self.pages.claim(code, PASSWORD)
        assert page.status == 200, page
        assert page.url.startswith("/admin"), page.url
        return code

    def sign_in(self) -> None:
        """As the administrator, after a start."""
        self.pages.wait("/sign-in")
        page = self.pages.sign_in(PASSWORD)
        assert page.status == 200, page
        assert self.pages.open("/admin/").url == "/admin/", page

    def open_support(self, folder: Path, hours: int = 72) -> None:
        """Switch remote support on, with a key made now."""
        key = folder / "support"
        if not key.exists():
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
        public = key.with_suffix(".pub").read_text().strip()
        page = self.pages.post("/admin/remote-support/", hours=str(hours), key=public)
        assert page.status == 200, page
        self.key = key

    # --- asking the box -----------------------------------------------------------------

    def shell(self, command: str, timeout_s: float = PATIENCE_S, check: bool = True) -> str:
        """Run a command over remote support."""
        assert self.key is not None, "remote support was not switched on"
        return self.vm.ssh(self.key, command, timeout_s, check)

    def wait_shell(self, timeout_s: float = PATIENCE_S) -> None:
        """Wait until remote support, switched on before, is there again after a start."""
        until = time.monotonic() + timeout_s
        while "it is" not in self.shell("echo it is", check=False):
            if time.monotonic() > until:
                raise VmError(f"remote support does not come back\n{self.vm.log()[-3000:]}")
            time.sleep(0.5)

    def bring(self, *files: str) -> None:
        """Put files of the repository on the box, for `python`; gone with the next start."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for file in files:
                archive.add(REPOSITORY / file, file)
        text = base64.b64encode(packed.getvalue()).decode()
        self.shell(f"mkdir -p {INSIDE} && echo {text} | base64 -d | tar xz -C {INSIDE}")

    def python(self, module: str, *words: str, timeout_s: float = PATIENCE_S) -> str:
        """Run a module that was brought, with the box's own Python; what it printed."""
        run_ = f"cd {INSIDE} && ZONGJI_HOME=/data/zongji {PYTHON} -m {shlex.join([module, *words])}"
        return self.shell(run_, timeout_s)

    def _call(self, socket: str, method: str, params: dict) -> object:
        wish = json.dumps([socket, method, params])
        said = self.shell(f"echo {shlex.quote(wish)} | {PYTHON} -c {shlex.quote(ASK)}")
        answer = json.loads(said.splitlines()[-1])
        if "error" in answer:
            raise Refused(answer["error"]["code"], answer["error"]["message"])
        return answer["result"]

    def system(self, method: str, **params) -> dict:
        """Ask the system daemon. Raises Refused."""
        return self._call(SYSTEM_SOCKET, method, params)  # type: ignore[return-value]

    def control(self, method: str, **params) -> dict:
        """Ask control. Raises Refused."""
        return self._call(CONTROL_SOCKET, method, params)  # type: ignore[return-value]

    def wait_confirmed(self, slot: str) -> None:
        """Wait until the boot loader has been told in this start that the system A or B is healthy: then it
        has all its tries again."""
        self.shell(f"until /usr/lib/zongji/bootstate show | grep -q {slot}=confirmed,3; do sleep 0.5; done")

    def version(self) -> str:
        """Version of the running system."""
        return re.search(r"^VERSION=(.*)$", self.shell("cat /usr/lib/zongji/release"), re.M)[1]

    def hashes(self, folder: str) -> str:
        """SHA-256 of every file in a folder, sorted."""
        return self.shell(f"cd {folder} && find . -type f -print0 | sort -z | xargs -0r sha256sum")
