"""`omninode health`: runs every check now, or shows what beat's last check found."""

import json
import logging
import sys
import time
from typing import Any

import click
from redis.exceptions import RedisError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from monitoring.health import results
from monitoring.health.registry import Check, registered
from monitoring.health.run import run
from monitoring.health.verdict import CheckResult, Report, conclude
from orchestrator import redaction, redis, settings, times
from orchestrator.beat import is_late

_COLOURS = {"healthy": "green", "degraded": "yellow", "unhealthy": "red", "critical": "red"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help='Print {"status", "checks": […]}.')
@click.option("--timeout", "timeout_seconds", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS",
              help="Give every check this long, instead of its own limit (mostly 5 s).")  # fmt: skip
@click.option("--only", "names", multiple=True, metavar="NAME", help="Run this check alone; may be repeated.")
@click.option("--last", is_flag=True, help="Show what beat's last check found, and how old that is.")
def health(*, as_json: bool, timeout_seconds: float | None, names: tuple[str, ...], last: bool) -> None:
    """Say whether everything works, and what does not.

    Every check is made, also one that beat makes less often because it keeps failing (its circuit breaker,
    `health:<check>`); what is found here is not told to that breaker.

    Exits with 0 when all is healthy, with 1 when something is degraded or critical.
    """
    # What the clients log about servers that are away is in the report already.
    logging.getLogger().addHandler(logging.NullHandler())
    checks = _chosen(_declared(), names)
    report = conclude(_read_last(checks) if last else run(checks, timeout_seconds))
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=2, ensure_ascii=False))
    else:
        _print(report, time.time() if last else None)
    sys.exit(report.status != "healthy")


def _declared() -> list[Check]:
    # The app declares our checks and those of the user's own modules.
    from orchestrator.celery import app
    from orchestrator.modules import import_modules

    import_modules(app)
    return registered()


def _chosen(checks: list[Check], names: tuple[str, ...]) -> list[Check]:
    known = [check.name for check in checks]
    for name in names:
        if name not in known:
            raise click.BadParameter(
                f"{name!r} is no check; there are {', '.join(known)}", param_hint="--only"
            )
    return [check for check in checks if not names or check.name in names]


def _read_last(checks: list[Check]) -> list[CheckResult]:
    now, chosen = time.time(), settings.current()
    try:
        with redis.connect(chosen.redis_url, timeout_seconds=3.0, retries=0) as client:
            found = results.load(client)
    except RedisError as error:
        return [_unhealthy("redis", f"does not answer: {error}", now, critical=True)]
    newest = max((result.checked_at for result in found.values()), default=0.0)
    if not found:
        return [_unhealthy("beat", "no check was made for a day: start a worker and beat", now)]
    shown = [found[check.name] for check in checks if check.name in found]
    if is_late(newest, now, chosen.health_interval_seconds):
        # Whatever was asked for: what an old check found is no news.
        sentence = f"the last check was made {times.length(now - newest)} ago: are beat and a worker running?"
        return [*(one for one in shown if one.name != "beat"), _unhealthy("beat", sentence, now)]
    return shown


def _unhealthy(name: str, sentence: str, now: float, *, critical: bool = False) -> CheckResult:
    return CheckResult(name, "unhealthy", 0.0, redaction.text(sentence), now, critical)


def _print(report: Report, now: float | None) -> None:
    console = Console()
    troubled = [check.name for check in report.checks if check.status != "healthy"]
    verdict = f"{report.status}: {', '.join(troubled)}" if troubled else report.status
    console.print(Text(verdict, style=f"bold {_COLOURS[report.status]}"))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("check", "status", *(["age"] if now else []), "latency", "what it says"):
        table.add_column(heading, no_wrap=heading != "what it says", justify=_alignment(heading))
    for check in report.checks:
        table.add_row(*_cells(check, now))
    console.print(table)


def _alignment(heading: str) -> Any:
    return "right" if heading in {"age", "latency"} else "left"


def _cells(check: CheckResult, now: float | None) -> list[Text]:
    age = [Text(times.age(now - check.checked_at))] if now else []
    return [
        Text(check.name),
        Text(check.status, style=_COLOURS[check.status]),
        *age,
        Text(f"{check.latency_seconds * 1000:.1f} ms"),
        Text(check.sentence),
    ]
