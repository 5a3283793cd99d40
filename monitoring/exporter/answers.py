"""What is answered: figures that are read when somebody asks, and that nobody waits for long for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from redis import Redis

from monitoring.exporter.figures import ALERTS, METRICS, Figures
from monitoring.exporter.sharing import Shared
from monitoring.exporter.text import text
from monitoring.fleet.figures import PARTS as FLEET_PARTS
from monitoring.fleet.figures import Fleet
from monitoring.fleet.gather import gather
from monitoring.judging.health import Status
from monitoring.judging.thresholds import Given
from monitoring.performance import dashboard
from monitoring.recording.sums import Snapshot
from monitoring.rollup.reading import ALONE, FleetSource
from orchestrator import broker, logger, redaction
from orchestrator.alerts.standing import Standing
from orchestrator.alerts.store import Store
from orchestrator.settings import Settings

_LOG = logger.get(__name__)
# What is read, and what is made of it, are each good for this long.
_FRESH_SECONDS = 0.5
_JUDGE_SECONDS = 5.0
# Whoever reads has limits of its own, of three seconds at the most.
_READ_SECONDS, _RENDER_SECONDS = 4.0, 10.0
_ANSWER_SECONDS = 1.0
T = TypeVar("T")


class Answers:
    """Of one exporter; every method is called from its event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._source = FleetSource(settings)
        self._thresholds = Given()
        self._client: Redis = broker.client(settings, decode=True, timeout_seconds=_ANSWER_SECONDS, retries=0)
        self._store = Store(self._client, settings.key_prefix)
        self._snapshot: Shared[Snapshot] = Shared(_FRESH_SECONDS)
        self._totals: Shared[Snapshot] = Shared(_FRESH_SECONDS)
        self._fleet: Shared[Fleet] = Shared(_FRESH_SECONDS)
        self._standing: Shared[Standing] = Shared(_FRESH_SECONDS)
        self._text: Shared[bytes] = Shared(_FRESH_SECONDS)
        self._status: Status = "healthy"
        self._is_judged = False

    async def metrics(self) -> bytes:
        """All metrics, in Prometheus' text format.

        The verdict on what was measured in the last minutes is that of the last time that it was judged.
        """
        figures = await self._figures(self._totals, self._source.totals)
        if not self._is_judged:
            await self._judge()
        return await self._text.get(partial(text, figures, self._status), _RENDER_SECONDS)

    async def keep_judging(self) -> None:
        """Judge how the fleet is every five seconds, until this is cancelled."""
        while True:
            try:
                await self._judge()
            except Exception as error:
                # One time has failed: the next one may not.
                _LOG.warning("exporter_judges_nothing", error=f"{type(error).__name__}: {error}"[:200])
            await asyncio.sleep(_JUDGE_SECONDS)

    async def health(self) -> dict[str, Any]:
        """The health, as JSON can have it."""
        figures = await self._figures()
        return await asyncio.to_thread(figures.health_as_json)

    async def dashboard(self) -> dict[str, Any]:
        """The dashboard's JSON, or `{"error"}` where its figures cannot be read."""
        figures = await self._figures()
        return await asyncio.to_thread(_dashboard, figures)

    async def trouble(self) -> str:
        """Why the figures cannot be read, as a sentence; empty where they can."""
        return (await _sums(self._totals, self._source.totals)).trouble

    def close(self) -> None:
        """Have no connections."""
        self._client.close()

    async def _judge(self) -> None:
        figures = await self._figures()
        self._status = await asyncio.to_thread(lambda: figures.health.status)
        self._is_judged = True

    async def _figures(
        self, shared: Shared[Snapshot] | None = None, read: Callable[[], Snapshot] | None = None
    ) -> Figures:
        # All begin at once, and each is waited for.
        asked = (
            asyncio.ensure_future(_sums(shared or self._snapshot, read or self._source.snapshot)),
            asyncio.ensure_future(_part(self._fleet, partial(gather, self._settings))),
            asyncio.ensure_future(_part(self._standing, self._store.read)),
        )
        sums, fleet, alerts = await asked[0], await asked[1], await asked[2]
        unknown = dict(fleet.found.unknown) if fleet.found else dict.fromkeys(FLEET_PARTS, fleet.trouble)
        unknown |= {part: why for part, why in ((METRICS, sums.trouble), (ALERTS, alerts.trouble)) if why}
        return Figures(
            sums.found or Snapshot(0, 0.0, trouble=sums.trouble),
            fleet.found or Fleet(time.time(), unknown=unknown),
            alerts.found,
            unknown,
            self._thresholds.resolved(),
            self._settings,
        )


@dataclass(frozen=True)
class _Part(Generic[T]):
    """What was found, or None and why not."""

    found: T | None
    trouble: str = ""


async def _part(shared: Shared[T], find: Callable[[], T]) -> _Part[T]:
    try:
        return _Part(await shared.get(find, _READ_SECONDS))
    except TimeoutError:
        return _Part(None, f"Redis does not answer within {_READ_SECONDS:g} seconds")
    except Exception as error:
        return _Part(None, redaction.text(f"Redis does not answer: {type(error).__name__}: {error}")[:300])


async def _sums(shared: Shared[Snapshot], read: Callable[[], Snapshot]) -> _Part[Snapshot]:
    part = await _part(shared, read)
    if part.found is None or not part.found.trouble:
        return part
    # What this process alone has counted is not what the fleet has.
    return _Part(None, part.found.trouble.removesuffix(ALONE))


def _dashboard(figures: Figures) -> dict[str, Any]:
    if not figures.knows_sums:
        return {"error": f"the figures cannot be read: {figures.unknown[METRICS]}"}
    told = dashboard.dashboard(figures.snapshot, figures.health, (), time.time())
    if figures.fleet.processes is None:
        told["system_health"]["active_connections"] = None
    return told | {"alerts": figures.alerts(), "unknown": dict(figures.unknown)}
