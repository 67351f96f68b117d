"""Real update bundles, made and signed by RAUC itself."""

import re
import subprocess
import time
from pathlib import Path

RAUC = "/usr/bin/rauc"
"""The real one, whatever stands in for it on PATH."""

MANIFEST = """[update]
compatible={compatible}
version={version}
build=b1
[bundle]
format=verity
[image.rootfs]
filename=root.img
"""
SYSTEM = (Path(__file__).parents[3] / "image/rootfs/etc/rauc/system.conf").read_text()
"""The box's own configuration."""


CA = """[ca]
default_ca=this
[this]
database=index.txt
serial=serial
new_certs_dir=.
default_md=sha256
policy=policy
x509_extensions=extensions
[policy]
commonName=supplied
[extensions]
basicConstraints=critical,CA:TRUE
"""


class Maker:
    """Somebody who signs updates."""

    def __init__(self, folder, name):
        self.folder = folder / name
        self.folder.mkdir()
        self.certificate, self._key = self.folder / "cert.pem", self.folder / "key.pem"
        words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9000"
        files = ["-keyout", str(self._key), "-out", str(self.certificate), "-subj", f"/O=T/CN={name}"]
        subprocess.run(["openssl", *words.split(), *files], check=True, capture_output=True)

    def valid(self, begin, end):
        """From now on its certificate is valid between these two (Unix seconds)."""
        for name in ("index.txt", "serial"):
            (self.folder / name).write_text("01\n" if name == "serial" else "")
        (self.folder / "ca.conf").write_text(CA)
        request = ["req", "-new", "-key", "key.pem", "-out", "request.pem", "-subj", "/CN=timed"]
        times = [time.strftime("%Y%m%d%H%M%SZ", time.gmtime(one)) for one in (begin, end)]
        made = ["-startdate", times[0], "-enddate", times[1], "-in", "request.pem", "-out", "cert.pem"]
        made = ["ca", "-batch", "-selfsign", "-config", "ca.conf", "-keyfile", "key.pem", *made]
        for words in (request, made):
            subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=self.folder)

    def bundle(self, goal, version="0.3.0", compatible="zongji-amd64", size=1_000_000):
        """A signed bundle at `goal`. Its content cannot be squeezed, so that most of the file is it."""
        content = self.folder / "content"
        content.mkdir(exist_ok=True)
        words = ["openssl", "enc", "-aes-128-ctr", "-K", "0" * 32, "-iv", "0" * 32, "-nosalt"]
        noise = subprocess.run(words, input=bytes(size), check=True, capture_output=True).stdout
        (content / "root.img").write_bytes(noise)
        (content / "manifest.raucm").write_text(MANIFEST.format(compatible=compatible, version=version))
        goal.parent.mkdir(parents=True, exist_ok=True)
        goal.unlink(missing_ok=True)
        signer = ["--cert", str(self.certificate), "--key", str(self._key)]
        subprocess.run([RAUC, *signer, "bundle", str(content), str(goal)], check=True, capture_output=True)
        return goal

    def trusted_by(self, programs, install="", status=0):
        """A `rauc` that looks at bundles as the box does, and pretends to install."""
        configuration = self.folder / "system.conf"
        configuration.write_text(re.sub("(?m)^path=.*", f"path={self.certificate}", SYSTEM))
        programs.says("rauc", install, status)
        program = programs.folder / "rauc"
        pretend = program.read_text().removeprefix("#!/bin/sh\n")
        look = f'if [ "$1" = info ]; then exec {RAUC} --conf "{configuration}" "$@"; fi'
        program.write_text(f"#!/bin/sh\n{look}\n{pretend}")
