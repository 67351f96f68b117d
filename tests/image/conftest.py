import os

if "ZONGJI_IMAGE" not in os.environ:
    # `make test-image` runs these; `make test` needs no QEMU; nor does tests/image/box.
    collect_ignore_glob = ["test_*.py"]
