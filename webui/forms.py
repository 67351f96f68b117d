"""Forms made from the store's own field tables, with words for people and messages that say what to do."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from werkzeug.datastructures import MultiDict

from appliance.store.fields import Field
from webui.tongue import gettext as _

Choices = Sequence[tuple[str, str]]


@dataclass
class Input:
    """One field on a page. `kind`: text, number, bool, choice, multi, area, password."""

    name: str
    kind: str
    label: str
    help: str = ""
    value: Any = ""
    choices: Choices = ()
    required: bool = False
    readonly: bool = False
    unit: str = ""
    errors: list[str] = field(default_factory=list)
    low: float = -math.inf
    high: float = math.inf
    hint: str = ""
    """What a pattern asks for, in words."""
    whole: bool = False

    @property
    def max_length(self) -> int:
        """Most characters of a text."""
        return int(self.high) if math.isfinite(self.high) else 500

    def complain(self, text: str) -> None:
        """Put a message under the field."""
        self.errors.append(text)


def kind_of(spec: Field, choices: Choices) -> str:
    """How a store field is shown."""
    if spec.kind == "list":
        return "multi" if choices else "text"
    if choices or spec.kind == "choice":
        return "choice"
    return {"int": "number", "real": "number", "bool": "bool"}.get(spec.kind, "text")


def shown(spec: Field, value: Any) -> Any:
    """A stored value as a form shows it."""
    if value is None:
        return ""
    if spec.kind == "real":
        return f"{value:g}"
    if spec.kind == "list" and not isinstance(value, str):
        return list(value)
    return value


def input_for(
    spec: Field,
    label: str,
    help_: str = "",
    value: Any = None,
    choices: Choices = (),
    hint: str = "",
    unit: str = "",
) -> Input:
    """An Input for a store field, showing `value` or the default."""
    present = spec.default if value is None else value
    needs = spec.default is None or (spec.kind == "text" and spec.low >= 1)
    return Input(
        spec.name,
        kind_of(spec, choices),
        label,
        help_,
        shown(spec, present),
        choices,
        required=needs,
        unit=unit,
        low=spec.low,
        high=spec.high,
        hint=hint,
        whole=spec.kind == "int",
    )


def problem_in(spec: Field, given: Any, hint: str) -> str:
    """Why the store would refuse this value, in the reader's language; "" when it takes it."""
    if isinstance(given, str) and not given.strip() and (spec.default is None or spec.low >= 1):
        return _("This is needed.")
    try:
        spec.check(given)
    except ValueError:
        if spec.kind in ("int", "real"):
            return _("Enter a number from %(low)s to %(high)s.", low=f"{spec.low:g}", high=f"{spec.high:g}")
        if isinstance(given, str) and math.isfinite(spec.high) and len(given.strip()) > spec.high:
            return _("At most %(count)s characters.", count=f"{spec.high:g}")
        if hint:
            return hint
        return _("This value is not possible here. Check it for strange characters.")
    return ""


def read_form(
    inputs: Mapping[str, Input], specs: Sequence[Field], form: MultiDict[str, str]
) -> dict[str, Any] | None:
    """Values for the store, or None with the problems written into the inputs."""
    data: dict[str, Any] = {}
    good = True
    for spec in specs:
        shown_input = inputs.get(spec.name)
        if shown_input is None or shown_input.readonly:
            continue
        given: Any
        if spec.kind == "bool":
            given = spec.name in form
        elif spec.kind == "list" and shown_input.kind == "multi":
            given = form.getlist(spec.name)
        else:
            given = form.get(spec.name, "").strip()
        shown_input.value = given
        problem = problem_in(spec, given, shown_input.hint)
        if problem:
            shown_input.complain(problem)
            good = False
        else:
            data[spec.name] = spec.check(given)
    return data if good else None
