"""The page that leads to the rest: no scripts, and nothing from elsewhere."""

from __future__ import annotations

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem;"
    "color-scheme:light dark}"
    "dt{margin-top:1rem}dd{margin:0}"
)
_PATHS = {
    "metrics": "everything, in Prometheus' text format",
    "health": "healthy, degraded or critical, and why, as JSON",
    "dashboard": "the figures of the performance dashboard, as JSON",
    "ready": "whether the figures can be read",
}


def html() -> str:
    """The page."""
    entries = "".join(f'<dt><a href="{to}">/{to}</a></dt><dd>{says}</dd>' for to, says in _PATHS.items())
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>OmniNode exporter</title>'
        f"<style>{STYLE}</style></head><body><h1>OmniNode exporter</h1><dl>{entries}</dl></body></html>\n"
    )
