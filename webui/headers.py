"""Security headers on every answer."""

from __future__ import annotations

import secrets

from flask import Flask, Response, g

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; "
    "font-src 'self'; media-src 'self' blob:; connect-src 'self'; worker-src 'self'; manifest-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""The nonce is for the style sheet that the waveform player puts into its shadow tree; scripts get none."""

FIXED = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), payment=(), usb=(), microphone=(self)",
}


def style_nonce() -> str:
    """The nonce of this answer's style sheets."""
    if "style_nonce" not in g:
        g.style_nonce = secrets.token_urlsafe(16)
    nonce: str = g.style_nonce
    return nonce


def install(app: Flask) -> None:
    """Add the headers to `app`."""

    @app.after_request
    def add(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", POLICY.format(nonce=style_nonce()))
        for name, value in FIXED.items():
            response.headers.setdefault(name, value)
        if response.mimetype in ("text/html", "application/json", "text/csv"):
            response.headers.setdefault("Cache-Control", "no-store")
        return response

    app.jinja_env.globals["style_nonce"] = style_nonce
