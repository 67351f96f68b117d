import os

import pytest

from tests.guest.guest import Guest
from tests.guest.kernel_tree import kernel_tree

FIGURES = pytest.StashKey[dict]()

if "ZONGJI_GUEST" not in os.environ:
    # `make test-guest` runs these; `make test` needs neither QEMU nor a kernel.
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session")
def guest(request):
    """The running guest, one for all tests."""
    with Guest(kernel_tree()) as one:
        one.figures["boot_s"] = round(one.boot_s, 1)
        yield one
        request.config.stash[FIGURES] = dict(one.figures)


def pytest_terminal_summary(terminalreporter, config):
    for name, value in config.stash.get(FIGURES, {}).items():
        terminalreporter.write_line(f"  {name}: {value}")
