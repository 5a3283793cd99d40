"""`omninode exporter`: tells Prometheus and people how the fleet is, in the foreground, until Ctrl-C."""

from __future__ import annotations

import sys

import click


@click.command()
@click.option("--host", metavar="HOST", help="Listen here (else OMNINODE_EXPORTER_HOST, or 127.0.0.1).")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    metavar="PORT",
    help="Listen on this port; 0 is any free one (else OMNINODE_EXPORTER_PORT, or 9810).",
)
@click.option("--json", "as_json", is_flag=True, help="Write log lines as JSON, one object a line.")
@click.option(
    "--check", is_flag=True, help="Only ask whether one is ready that runs here: exits with 0, or with 1."
)
def exporter(*, host: str | None, port: int | None, as_json: bool, check: bool) -> None:
    """Answer at /metrics, /health, /dashboard and /ready, until Ctrl-C.

    The figures are those of the whole fleet; what cannot be found out is said to be unknown. Every five
    seconds it also looks at the fleet, and raises, clears and delivers alerts. Beyond loopback every request
    but /ready has to bring OMNINODE_EXPORTER_TOKEN along, as `Authorization: Bearer …`.
    --check asks the one of these settings, or where none answers there and neither --host nor --port is
    given, that of `omninode dev`.
    Exits with 0 after SIGTERM, with 130 after Ctrl-C, with 2 where it may not, or cannot, listen there.
    """
    from orchestrator import logs, settings
    from orchestrator.errors import SettingsError

    given = {"exporter_host": host, "exporter_port": port}
    if host is not None and not host.strip():
        raise SettingsError("--host must not be empty: say 127.0.0.1, or an address of this machine")
    chosen = settings.current().model_copy(
        update={name: value for name, value in given.items() if value is not None}
    )
    settings.use(chosen)
    if check:
        from monitoring.cli import readiness

        is_told = host is not None or port is not None
        sys.exit(readiness.check(chosen.exporter_host, chosen.exporter_port, also_of_stacks=not is_told))
    logs.configure("INFO", "json" if as_json else chosen.log_format)
    from monitoring.exporter import process

    # The queues that the app declares are known also where nothing is in them.
    from orchestrator.celery import app

    app.set_current()
    sys.exit(process.run(chosen))
