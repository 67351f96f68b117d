"""gettext with types: the sentence in the reader's language, values filled in."""

from __future__ import annotations

from typing import Any, cast

import flask_babel


def gettext(sentence: str, **values: Any) -> str:
    """The sentence in the reader's language; `%(name)s` is filled from `values`."""
    return cast(str, flask_babel.gettext(sentence, **values))


def ngettext(one: str, many: str, number: int, **values: Any) -> str:
    """The same for a number of things; `%(num)d` is the number."""
    return cast(str, flask_babel.ngettext(one, many, number, **values))


def lazy_gettext(sentence: str, **values: Any) -> Any:
    """For tables made before there is a reader: becomes text when it is shown."""
    return flask_babel.lazy_gettext(sentence, **values)
