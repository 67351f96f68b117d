"""What happens to the box and around it: cords, copper, numbers, disks, processes."""

from __future__ import annotations

from appliance.scenario.actors import Actor, Broken
from appliance.scenario.boxreading import fate_of
from appliance.scenario.circuits import circuit_values
from appliance.scenario.text import Item, StoryError
from appliance.scenario.vocabulary import ANYONE, Args, Script, unquote, verb


@verb(
    ANYONE,
    "unplug line {line}",
    like="unplug line 1",
    does="Pulls the cord of a line out of the box.",
)
def unplug(a: Actor, x: Args) -> Script:
    """Pull a cord."""
    a.stage.people.plug(x["line"], False)
    yield


@verb(ANYONE, "plug [in ]line {line}", like="plug in line 1", does="Pushes the cord back in.")
def plug(a: Actor, x: Args) -> Script:
    """Push a cord in."""
    a.stage.people.plug(x["line"], True)
    yield


@verb(
    ANYONE,
    "port {port} vanishes",
    like=("port L1 vanishes", "port 801 vanishes"),
    does="The port of a line or telephone is gone, as when its module fails.",
)
def port_vanishes(a: Actor, x: Args) -> Script:
    """Take a port away."""
    a.stage.people.vanish(x["port"])
    yield


@verb(ANYONE, "port {port} returns", like="port L1 returns", does="The port is there again.")
def port_returns(a: Actor, x: Args) -> Script:
    """Bring a port back."""
    a.stage.people.restore(x["port"])
    yield


@verb(
    ANYONE,
    "set {text} of line {line} to {rest}",
    like=(
        "set noise of line 1 to -40 dBm0",
        "set disconnect of line 2 to battery",
        "set loss_db of line 1 to 12",
    ),
    does="Changes a line's copper or exchange from now on; what can be set is listed under `lines:`.",
)
def set_line(a: Actor, x: Args) -> Script:
    """Change an impairment."""
    assert a.step is not None
    try:
        settings = circuit_values(x["text"], Item(a.step.line, text=unquote(x["rest"])))
    except StoryError as error:
        raise Broken(f"`{a.step.text}` to be possible", error.message) from error
    problem = a.stage.people.change(x["line"], settings)
    if problem:
        raise Broken(f"`{a.step.text}` to be possible", problem)
    yield


@verb(
    ANYONE,
    "line {line} gives no dial tone",
    like="line 1 gives no dial tone",
    does="The exchange stays silent when the box takes the line.",
)
def no_dial_tone(a: Actor, x: Args) -> Script:
    """Silence the exchange."""
    a.stage.people.change(x["line"], {"dial_tone_delay_ms": 60000})
    yield


@verb(
    ANYONE,
    "[outside ]number {number} (is {fate}|answers[ after {time}][ and says {file}])",
    like=("number 13800138000 is busy", "number 13800138000 answers after 5 s and says demo-thanks"),
    does="What happens from now on when the box calls this number. It may also be said under `numbers:` in "
    "`box:`.",
)
def number_fate(a: Actor, x: Args) -> Script:
    """Change what an outside number does."""
    if x["fate"]:
        fate = fate_of(a.stage.story, Item(0, text=x["fate"]))
    else:
        fate = {"fate": "answers", "after_s": 3.0 if x["time"] is None else x["time"], "says": x["file"]}
    a.stage.people.set_fate(x["number"], fate)
    yield


@verb(
    ANYONE,
    "control (stops|is stopped|dies)",
    like="control stops",
    does="The control process is gone: no database, no desks, no customer names. Calls go on.",
)
def control_stops(a: Actor, x: Args) -> Script:
    """Stop control."""
    a.stage.box.stop_control()
    yield


@verb(
    ANYONE,
    "control (starts|returns|is started)",
    like="control starts",
    does="The control process is there again and takes what the engine kept for it.",
)
def control_starts(a: Actor, x: Args) -> Script:
    """Start control."""
    a.stage.box.start_control()
    yield


@verb(
    ANYONE,
    "[the ]recording[s] (directory|folder|disk) (is|becomes|gets) (read-only|full|writable)[ again]",
    like=(
        "recording directory becomes read-only",
        "the recordings folder is full",
        "recording directory becomes writable again",
    ),
    does="Recordings can no longer be opened (read-only), or neither opened nor continued (full); `writable` "
    "ends it.",
)
def recording_directory(a: Actor, x: Args) -> Script:
    """Spoil or mend the disk."""
    assert a.step is not None
    text = a.step.text.lower()
    a.stage.box.recordings_are(
        "read-only" if "read-only" in text else "full" if "full" in text else "writable"
    )
    yield


@verb(
    ANYONE,
    "[the ]database is locked for {time}",
    like="database is locked for 3 s",
    does="Another program holds the database's write lock for that long.",
)
def database_locked(a: Actor, x: Args) -> Script:
    """Lock the database from outside."""
    release = a.stage.box.lock_database()
    yield from a.pause(x["time"])
    release()


@verb(
    ANYONE,
    "[the ]settings file is (damaged|lost)",
    like=("settings file is damaged", "settings file is lost"),
    does="The compiled settings on disk are overwritten with rubbish, or deleted. The engine notices at its "
    "next start (`engine restarts`).",
)
def settings_file(a: Actor, x: Args) -> Script:
    """Spoil the plan file."""
    assert a.step is not None
    a.stage.box.spoil_plan("lost" not in a.step.text.lower())
    yield


@verb(
    ANYONE,
    "engine restarts",
    like="engine restarts",
    does="The engine process ends and starts again on the same card; calls in progress are lost.",
)
def engine_restarts(a: Actor, x: Args) -> Script:
    """Restart the engine."""
    a.stage.box.restart_engine()
    yield
