"""Brings what became of replays from Redis to their letters."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import psycopg
import structlog
from redis import Redis
from redis.exceptions import RedisError, ResponseError

from orchestrator import broker, keys, postgres
from orchestrator.deadletter.death import moment, number
from orchestrator.index import outcomes
from orchestrator.index.outcomes import Outcome
from orchestrator.relay import scripts
from orchestrator.relay.moments import written_at
from orchestrator.relay.trouble import Trouble
from orchestrator.retry.backoff import ceiling_seconds
from orchestrator.settings import Settings

_LOG = structlog.get_logger(__name__)

GROUP = "relay"
# One name for all relays: an outcome that is written twice counts once, and so nobody has to take over from a
# dead one. What was read but not removed is read again.
_CONSUMER = "returner"
_MOST = 500
_WAIT_MS = 1000
_WRITE_SECONDS = 60.0
_RETRY_BASE_SECONDS, _RETRY_MOST_SECONDS = 0.2, 5.0
# Turns, of a second at most.
_AGAIN_EVERY, _SOON = 10, 2
# How long the outcome of an event's letter waits for the letter.
_AWAITED = timedelta(days=31)


class Returner:
    """Writes outcomes to their letters until its end; several may, and each outcome counts once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._key = keys.outcomes(settings.key_prefix)
        self._trouble = Trouble("returner")
        self._returned = 0
        # Whether outcomes of events wait for their letters.
        self._awaits = False

    def run(self, stop: Event) -> None:
        """Return what comes; PostgreSQL and Redis are waited for where they are away."""
        attempt = 0
        while not stop.is_set():
            began = time.monotonic()
            try:
                with broker.client(self._settings) as client:
                    self._return_all(client, stop)
            except psycopg.Error as error:
                self._trouble.is_there(f"PostgreSQL: {_first_line(error)}")
            except (RedisError, OSError) as error:
                self._trouble.is_there(f"Redis: {_first_line(error)}")
            attempt = 0 if time.monotonic() - began > _RETRY_MOST_SECONDS else attempt + 1
            stop.wait(ceiling_seconds(attempt, _RETRY_BASE_SECONDS, _RETRY_MOST_SECONDS))

    def state(self) -> dict[str, Any]:
        """How many letters were told of an outcome, and what keeps it from going on."""
        return {"returned": self._returned, "error": self._trouble.error}

    def _return_all(self, client: Any, stop: Event) -> None:
        self._join(client)
        with postgres.connect(self._settings.database_url) as connection:
            turn = 0
            while not stop.is_set():
                if turn % (_SOON if self._awaits else _AGAIN_EVERY) == 0:
                    self._return_again(client, connection, stop)
                found = client.xreadgroup(GROUP, _CONSUMER, {self._key: ">"}, count=_MOST, block=_WAIT_MS)
                self._return(client, connection, found)
                self._trouble.is_over()
                turn += 1

    def _return_again(self, client: Any, connection: psycopg.Connection[Any], stop: Event) -> None:
        """What was read, by this relay or by one that is dead, and not removed."""
        after, self._awaits = "0", False
        while not stop.is_set():
            found = client.xreadgroup(GROUP, _CONSUMER, {self._key: after}, count=_MOST)
            if not self._return(client, connection, found):
                return
            # Those that wait for their letters stay, and must not be read for ever.
            after = found[0][1][-1][0].decode()

    def _return(self, client: Redis, connection: psycopg.Connection[Any], found: Any) -> int:
        entries = found[0][1] if found else []
        if not entries:
            return 0
        read = {entry[0]: _read(entry) for entry in entries}
        told = [outcome for outcome in read.values() if outcome]
        published = [each for each in told if each.outcome == outcomes.PUBLISHED]
        with postgres.cut_off_after(_WRITE_SECONDS, connection):
            replayed = [each for each in told if each.outcome != outcomes.PUBLISHED]
            self._returned += outcomes.apply(connection, replayed)
            changed, missing = outcomes.publish(connection, published)
        self._returned += changed
        # Only now: whoever is killed before has them read again.
        done = [entry_id for entry_id, one in read.items() if not _waits(one, missing)]
        self._awaits = self._awaits or len(done) < len(read)
        if done:
            self._forget(client, done)
        return len(entries)

    def _join(self, client: Any) -> None:
        try:
            client.xgroup_create(self._key, GROUP, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    def _forget(self, client: Redis, ids: Iterable[bytes]) -> None:
        client.register_script(scripts.load("forget"))(keys=[self._key], args=[GROUP, *ids])


def _read(entry: tuple[bytes, dict[bytes, bytes] | None]) -> Outcome | None:
    """The outcome in an entry of the stream; None where somebody has written or deleted something else."""
    entry_id, content = entry
    fields = {_text(name): _text(value) for name, value in (content or {}).items()}
    outcome = fields.get("outcome", "")
    if outcome not in {outcomes.RESOLVED, outcomes.REVOKED, outcomes.PUBLISHED}:
        _LOG.warning("outcome_not_understood", entry=entry_id.decode(), outcome=outcome[:100])
        return None
    return Outcome(
        letter_id=fields.get("letter_id", ""),
        replay=number(fields.get("replay")),
        outcome=outcome,
        at=moment(fields.get("at")) or written_at(entry_id),
    )


def _waits(outcome: Outcome | None, missing: set[str]) -> bool:
    """Whether its letter is still on its way: an event's client may be faster than Kafka and the indexer.

    One that has not come for so long never will: PostgreSQL was lost, or the retention has deleted it.
    """
    if outcome is None or outcome.outcome != outcomes.PUBLISHED or outcome.letter_id not in missing:
        return False
    return datetime.now(UTC) - outcome.at < _AWAITED


def _text(content: bytes) -> str:
    return content.decode(errors="replace")


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
