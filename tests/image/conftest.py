import os

if "ZONGJI_IMAGE" not in os.environ:
    # `make test-image` runs these; `make test` needs neither QEMU nor an image. tests/image/box needs neither.
    collect_ignore_glob = ["test_*.py"]
