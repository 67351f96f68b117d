import pytest

from tests.appliance.running_box import Box


@pytest.fixture
def start(tmp_path):
    """Start boxes; all of them are ended when the test is over."""
    boxes = []

    def begin(home=None, port=None, *more):
        box = Box(home or tmp_path / "data", port, *more)
        boxes.append(box)
        return box

    yield begin
    for box in boxes:
        box.clean_up()


@pytest.fixture
def box(start):
    """A box that has said it is ready."""
    box = start()
    box.wait_printed(r"ready:\s+http://")
    return box
