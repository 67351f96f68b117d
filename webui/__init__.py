"""The pages of the box: agent desktop, live board, calls, customers, settings.

`create_app(home)` makes the Flask application, `webui.server.serve` runs it.
Everything is served from the box itself; no page refers to another host.
"""

from webui.app import create_app

__all__ = ["create_app"]
