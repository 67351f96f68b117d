"""The house plan as a test: every import of our own rooms, and of libraries, is one the plan allows."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Room -> what it may import of ours and from outside; the standard library is always allowed.
# The longest matching room wins. Keep in step with docs/architecture.md.
ALLOWED = {
    "dsp": {"dsp", "numpy"},
    "board": {"board", "numpy", "alsaaudio", "pyudev", "serial"},
    "appliance.core": {"appliance.core"},
    "appliance.engine": {
        "appliance.engine",
        "appliance.core",
        "appliance.client",
        "appliance.logs",
        "appliance.notify",
        "appliance.paths",
        "dsp",
        "board",
        "numpy",
        "soundfile",
    },
    "appliance.store": {"appliance.store", "sqlite_utils", "phonenumbers"},
    "appliance.services": {"appliance.services", "appliance.store", "appliance.paths", "pyrage"},
    "appliance.control": {
        "appliance.control",
        "appliance.core",
        "appliance.store",
        "appliance.services",
        "appliance.client",
        "appliance.logs",
        "appliance.notify",
        "appliance.paths",
        "argon2",
    },
    "appliance.client": set(),
    "appliance.logs": {"systemd"},
    "appliance.paths": set(),
    "appliance.prompts": {"appliance.prompts", "dsp", "numpy", "soundfile"},
    "appliance.scenario": {"appliance", "board", "dsp", "numpy", "soundfile", "yaml"},
    "appliance.cli": {"appliance", "board", "dsp", "image", "webui", "numpy", "soundfile"},
    "image": {"image", "appliance.client", "appliance.logs", "appliance.notify"},
    "recovery": {"recovery", "image"},
    "webui": {
        "webui",
        "appliance.client",
        "appliance.logs",
        "appliance.notify",
        "appliance.paths",
        "appliance.store",
        "argon2",
        "babel",
        "flask",
        "flask_babel",
        "flask_limiter",
        "flask_login",
        "flask_sock",
        "flask_wtf",
        "gunicorn",
        "markupsafe",
        "simple_websocket",
        "werkzeug",
        "wtforms",
    },
}
ROOMS = ("dsp", "board", "appliance", "webui", "image", "recovery")


def modules():
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield dotted.removesuffix(".__init__"), path


def imports(module, path):
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parent = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parent, base] if base else parent)
            if base == "appliance":
                yield from ((f"appliance.{alias.name}", node.lineno) for alias in node.names)
            else:
                yield base, node.lineno


def within(name, place):
    return name == place or name.startswith(place + ".")


def allowed_for(module):
    rooms = [room for room in ALLOWED if within(module, room)]
    return ALLOWED[max(rooms, key=len)] if rooms else set()


def test_every_import_follows_the_house_plan():
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for module, path in modules()
        for name, line in imports(module, path)
        if name.partition(".")[0] not in sys.stdlib_module_names
        and name not in ("appliance", "__future__")
        and not any(within(name, place) for place in allowed_for(module))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_is_there_and_says_what_it_is(room):
    assert (ROOT / room / "__init__.py").exists() or (ROOT / room / "README.md").exists()


def test_the_walker_sees_a_forbidden_arrow(tmp_path):
    sample = tmp_path / "bad.py"
    sample.write_text(
        "from appliance.store import open_store\nimport flask\n"
        "from .core import x\nfrom appliance import paths\n"
    )
    seen = {name for name, _ in imports("appliance.bad", sample)}
    assert seen == {"appliance.store", "flask", "appliance.core", "appliance.paths"}
    assert not any(within("flask", place) for place in allowed_for("appliance.core.call"))
