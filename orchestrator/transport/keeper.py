"""Keeps leases alive: a thread with a connection of its own, which the event loop cannot hold up.

It renews what the ledger holds as long as the main loop shows a heartbeat, sends the settlements that the
loop has left lying, and tells which queues are served.
"""

from __future__ import annotations

import math
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from redis.exceptions import NoScriptError, RedisError, ResponseError

from orchestrator import forks, keys, logger
from orchestrator.transport import scripts
from orchestrator.transport.attendance import Attendance
from orchestrator.transport.exchange import SETTLE_ONLY, Answer, warn_of_refusing
from orchestrator.transport.keys import Keys
from orchestrator.transport.ledger import Ledger

_LOG = logger.get(__name__)

# How many leases long the main loop may be silent before its claims are left to others.
WEDGED_AFTER_LEASES = 10
_LEFT_LYING_SECONDS = 0.5
_CLOSE_SECONDS = 5.0
_INTRODUCED_SECONDS = 60.0


class Keeper:
    """The lease thread of one ledger.

    `excused` says that the main loop is busy with something that counts as life, such as a task of its own
    or a shutdown; `eager` makes the thread send settlements at once, because no loop does.
    """

    def __init__(self, ledger: Ledger, client: Any, places: Keys) -> None:
        self.ledger = ledger
        self.eager = False
        self.excused: Callable[[], bool] = lambda: False
        # What a worker calls itself; it is told in Redis, for whoever asks who holds a message.
        self._name = f"{os.getpid()}@{socket.gethostname()}"
        self._introduced = -math.inf
        self._attendance = Attendance(client, ledger.nonce, places.prefix)
        self._client = client
        self._keys = places
        self._heard = self._renewed = time.monotonic()
        self._wedged = False
        self._stale = False
        self._complaints: dict[str, str] = {}
        self._stop = threading.Event()
        self._sending = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="omninode-leases", daemon=True)

    def start(self) -> None:
        """Begin to renew."""
        forks.keep_apart()
        self._thread.start()

    def hear(self) -> None:
        """The main loop is alive."""
        self._heard = time.monotonic()

    @property
    def client(self) -> Any:
        """The client of its broker, which any thread may use as long as it is not closed."""
        return self._client

    def introduce(self, name: str = "", serves: Callable[[], Mapping[str, Any]] | None = None) -> None:
        """Have Redis told, soon and from time to time, under which name these claims are held.

        `serves` says what the worker is and serves; it is called often, by another thread.
        """
        self._name = name or self._name
        self._introduced = -math.inf
        if serves:
            self._attendance.attend(self._name, serves)

    @property
    def is_stale(self) -> bool:
        """Whether leases may have ended unnoticed, because this process was frozen or cut off."""
        return time.monotonic() - self._renewed > self.ledger.lease_seconds * 0.8

    def renew(self) -> None:
        """Renew every lease now.

        Raises:
            redis.exceptions.RedisError: Redis is away; it may be tried again.
        """
        held = self.ledger.leased()
        lost = self._run_script("renew", self._keys.renew(), [int(self.ledger.lease_seconds * 1000), *held])
        self._renewed = time.monotonic()
        for claim in self.ledger.lose([claim_id.decode() for claim_id in lost]):
            _LOG.warning("claim_lost", claim=claim.id, queue=claim.queue, started=claim.started)

    def flush(self) -> None:
        """Send every settlement now.

        Raises:
            redis.exceptions.RedisError: Redis is away; the settlements are kept.
        """
        with self._sending:
            while self.ledger.has_news:
                batch = self.ledger.take()
                try:
                    arguments = SETTLE_ONLY.arguments(self.ledger.lease_seconds, batch)
                    reply = self._run_script("exchange", self._keys.exchange(), arguments)
                except BaseException:
                    self.ledger.give_back(batch)
                    raise
                self.ledger.confirm(batch)
                warn_of_refusing(self.ledger, Answer.parse(reply))

    def close(self) -> None:
        """Give back what is held and stop; what cannot be told in time, the ends of the leases tell."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=_CLOSE_SECONDS)
        self.ledger.release_all()
        deadline = time.monotonic() + _CLOSE_SECONDS
        while self.ledger.has_news:
            try:
                self.flush()
            except (RedisError, OSError) as error:
                if time.monotonic() > deadline:
                    _LOG.warning("settlements_unsent", settlements=len(self.ledger), error=str(error))
                    break
                time.sleep(0.2)
        with suppress(RedisError, OSError):
            self._client.delete(self._key)
            self._attendance.leave()
        self._client.close()

    def _run(self) -> None:
        lease = self.ledger.lease_seconds
        while not self._stop.wait(0.05 if self.eager else min(0.5, lease / 8)):
            with forks.threads_at_work():
                # Each by itself, the leases first: a settlement that is refused must not end them.
                if time.monotonic() - self._renewed > lease / 4 and self._loop_is_alive():
                    self._try(self.renew)
                if self._settlements_lie_about():
                    self._try(self.flush)
                if time.monotonic() - self._introduced > _INTRODUCED_SECONDS:
                    self._introduced = time.monotonic()
                    self._try(self._say_name)
                self._try(self._attend)

    @property
    def _key(self) -> str:
        return keys.holder(self.ledger.nonce, self._keys.prefix)

    def _say_name(self) -> None:
        self._client.set(self._key, self._name, ex=keys.DAY_SECONDS)

    def _attend(self) -> None:
        # Whoever has stopped looking for messages serves nobody.
        if self._attendance.is_due() and self._loop_is_alive():
            self._attendance.tell()

    def _try(self, tell: Callable[[], None]) -> None:
        try:
            tell()
        except ResponseError as error:
            self._complain(tell.__name__, str(error))
        except (RedisError, OSError) as error:
            _LOG.debug("redis_away", error=str(error))
        except Exception:
            _LOG.exception("lease_thread_failed")
        stale = self.is_stale
        if stale and not self._stale:
            _LOG.warning("leases_not_renewed", claims=len(self.ledger.claims))
        self._stale = stale

    def _complain(self, what: str, error: str) -> None:
        # It is tried again several times a second: once is enough.
        if self._complaints.get(what) != error:
            _LOG.warning("script_refused", to=what, error=error)
        self._complaints[what] = error

    def _settlements_lie_about(self) -> bool:
        if not self.ledger.has_news:
            return False
        return self.eager or time.monotonic() - self.ledger.noted_at > _LEFT_LYING_SECONDS

    def _loop_is_alive(self) -> bool:
        silent = time.monotonic() - self._heard
        alive = silent < self.ledger.lease_seconds * WEDGED_AFTER_LEASES or self.excused()
        if not alive and not self._wedged:
            _LOG.critical("worker_wedged", silent_seconds=round(silent, 1), claims=len(self.ledger.claims))
        self._wedged = not alive
        return alive

    def _run_script(self, name: str, keys: tuple[str, ...], arguments: list[object]) -> list[Any]:
        script = scripts.load(name)
        command = ("EVALSHA", script.sha, len(keys), *keys, *arguments)
        try:
            return list(self._client.execute_command(*command))
        except NoScriptError:
            self._client.script_load(script.text)
        return list(self._client.execute_command(*command))
