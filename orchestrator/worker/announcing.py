"""Tells of breakers' transitions and of tasks near their limit as Celery's events, each once.

A transition is told by one of the fleet's workers, a task by the one that runs it.
"""

from __future__ import annotations

import os
import time
from threading import Thread
from typing import Any, get_args

import structlog

from orchestrator import keys, redaction, redis, settings
from orchestrator.breaker import scripts
from orchestrator.breaker.state import Circuit, Mode
from orchestrator.forks import threads_at_work
from orchestrator.timeouts import watch
from orchestrator.timeouts.watch import Near

_LOG = structlog.get_logger(__name__)

EVENT = "breaker-transition"
# Not "task-…": programs that show tasks, such as Flower, would take it for a state that the task is in.
NEAR_EVENT = "timeout-near"
_GROUPS = ("breaker", "timeout")
_KINDS = {*get_args(Circuit), *get_args(Mode)}
_AT_ONCE = 100
# What is older is no news: it happened while no worker lived, and the history tells of it.
_OLDEST_MS = 60_000
# Redis answers at once when something happens.
_WAIT_MS = 5000
_PAUSE_SECONDS = 1.0


def begin(consumer: Any) -> None:
    """Tell through this worker's event dispatcher from now on; after a reconnect it is another one."""
    global _announcer  # noqa: PLW0603 (a worker's main process has one)
    if _announcer is None or not _announcer.is_of_this_process:
        _announcer = Announcer()
        Thread(target=_announcer.run, name="omninode-announcing", daemon=True).start()
    _announcer.introduce(consumer.event_dispatcher)
    watch.announce = _announcer.near


class Announcer:
    """Waits for what is added to the history, and sends it, beside the worker's loop.

    It hears of every breaker, also of those that only the application's own code uses.
    """

    def __init__(self) -> None:
        chosen = settings.current()
        self._pid = os.getpid()
        self._client: Any = redis.connect(chosen.redis_url, 2 * _WAIT_MS / 1000, retries=0)
        self._take = self._client.register_script(scripts.load("announce"))
        self._history = keys.breaker_history(chosen.key_prefix)
        self._announced = keys.breakers_announced(chosen.key_prefix)
        self._dispatcher: Any = None
        self._heard = ""

    @property
    def is_of_this_process(self) -> bool:
        """Whether its thread runs here: a fork takes none along."""
        return self._pid == os.getpid()

    def introduce(self, dispatcher: Any) -> None:
        """Use this dispatcher; it sends these events also where those of tasks are switched off."""
        if dispatcher and dispatcher.groups:
            dispatcher.groups.update(_GROUPS)
        self._dispatcher = dispatcher

    def near(self, task: Near) -> None:
        """Send that a task of this worker is near its limit; called from the thread that watches."""
        dispatcher = self._dispatcher
        if dispatcher and dispatcher.enabled:
            dispatcher.send(
                NEAR_EVENT,
                uuid=task.task_id,
                name=task.task,
                limit=task.limit,
                limit_seconds=task.limit_seconds,
                elapsed_seconds=task.elapsed_seconds,
                left_seconds=task.left_seconds,
                process=task.pid,
            )

    def run(self) -> None:
        """Never ends; while Redis is away it is asked again once a second."""
        is_away = False
        while True:
            try:
                self.wait()
                self.announce()
                is_away = False
            except Exception as error:
                if not is_away:
                    is_away = True
                    _LOG.warning("transitions_untold", error=redaction.text(str(error)))
                self._heard = ""
                time.sleep(_PAUSE_SECONDS)

    def wait(self) -> None:
        """Return when something was added to the history, or after a few seconds."""
        if not self._heard:
            latest = self._client.xrevrange(self._history, count=1)
            # What was added in between is announced right after.
            self._heard = latest[0][0] if latest else "0-0"
            return
        added = self._client.xread({self._history: self._heard}, count=_AT_ONCE, block=_WAIT_MS)
        if added:
            self._heard = _last(added)

    def announce(self) -> None:
        """Send what no worker has sent yet."""
        dispatcher = self._dispatcher
        # One that sends no events leaves them to the other workers.
        if not dispatcher or not dispatcher.enabled:
            return
        about = [self._announced, self._history]
        with threads_at_work():
            while taken := self._take(keys=about, args=[_AT_ONCE, _OLDEST_MS]):
                for _, flat in taken:
                    _send(dispatcher, dict(zip(flat[::2], flat[1::2], strict=True)))


def _send(dispatcher: Any, entry: dict[str, str]) -> None:
    # The history also tells of policies that were replaced.
    if not {entry["from"], entry["to"]} <= _KINDS:
        return
    dispatcher.send(
        EVENT,
        name=entry["name"],
        before=entry["from"],
        after=entry["to"],
        epoch=int(entry["epoch"]),
        why=redaction.text(entry["why"]),
        who=entry["who"],
        error=redaction.text(entry["error"]),
        at=int(entry["at"]) / 1000,
    )


def _last(added: Any) -> str:
    """The id of the last entry in the reply to XREAD, which is a list, or a dictionary with RESP3."""
    ((_, entries),) = added.items() if isinstance(added, dict) else added
    return str(entries[-1][0])


_announcer: Announcer | None = None
