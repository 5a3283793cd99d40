"""Flower's Broker page: what waits, is due later, set aside or in flight, over the app's own connection."""

import asyncio
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

from celery import Celery
from flower.api.tasks import GetQueueLengths
from flower.views import BaseHandler
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError
from tornado import web

from orchestrator import redaction
from orchestrator.queues.survey import QueueState, survey

_TEMPLATE = Path(__file__).with_name("broker.html")
_TIMEOUT_SECONDS = 3.0


class BrokerPage(BaseHandler):  # type: ignore[misc]
    """Every queue with its figures; a broker that is away is said in a sentence."""

    @web.authenticated
    async def get(self) -> None:
        """Answer a browser."""
        queues: list[QueueState] = []
        trouble = ""
        try:
            queues = await _look(self.application)
        except (OperationalError, RedisError, OSError) as error:
            trouble = f"The broker cannot be asked: {redaction.text(str(error))}"
            self.set_status(503)
        broker_url = redaction.text(self.application.broker_uri)
        # Flower's loader takes a path that is absolute, and finds Flower's own templates for it.
        self.render(str(_TEMPLATE), broker_url=broker_url, queues=queues, trouble=trouble)


class QueueLengths(GetQueueLengths):  # type: ignore[misc]
    """The same figures for programs: `/api/queues/length`."""

    def get_broker(self) -> "_Broker":
        """What Flower asks for the figures."""
        return _Broker(self.application)


class _Broker:
    def __init__(self, application: Any) -> None:
        self._application = application

    async def queues(self, names: Collection[str]) -> list[dict[str, Any]]:
        states = await _look(self._application)
        return [asdict(state) | {"messages": state.waiting_in_all} for state in states if state.name in names]


async def _look(application: Any) -> list[QueueState]:
    # Tornado's loop must not wait for Redis.
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(application.executor, _survey, application.capp)


def _survey(app: Celery) -> list[QueueState]:
    patience = {"socket_connect_timeout": _TIMEOUT_SECONDS, "socket_timeout": _TIMEOUT_SECONDS}
    with app.connection_for_read(transport_options=patience) as connection:
        connection.ensure_connection(max_retries=1, interval_start=0)
        return survey(connection.default_channel, app.amqp.queues)
