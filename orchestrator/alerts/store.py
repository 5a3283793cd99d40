"""The alerts in Redis: what is raised, acknowledged and silenced, each change made and told once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from redis import Redis

from orchestrator import keys, logger
from orchestrator.alerts import changing, history, record
from orchestrator.alerts.changing import Change
from orchestrator.alerts.record import Raised, Silence
from orchestrator.alerts.standing import Standing
from orchestrator.errors import AlertsAreBusy, UnknownAlert

_LOG = logger.get(__name__)
_MOST_TRIES = 20
# What the log calls a change of severity; the others have their own words.
_CHANGED = {"severity": "changed"}


class Store:
    """Those of one fleet; `client` is of the broker's Redis, and answers with text.

    Every method raises redis.exceptions.RedisError where it does not.
    """

    def __init__(self, client: Redis, prefix: str = "") -> None:
        self._client: Any = client
        self._prefix = prefix
        script = (files(__package__) / "change.lua").read_text(encoding="utf-8")
        self._change = client.register_script(script)

    def read(self) -> Standing:
        """How things stand."""
        with self._client.pipeline(transaction=False) as pipeline:
            pipeline.time()
            pipeline.hgetall(keys.alerts(self._prefix))
            pipeline.hgetall(keys.silences(self._prefix))
            (seconds, micros), stored, silences = pipeline.execute()
        now = datetime.fromtimestamp(seconds + micros / 1e6, UTC)
        return Standing(now, stored, silences)

    def apply(self, standing: Standing, changes: Iterable[Change | None]) -> list[Change]:
        """Make these changes, in one go; returns those that were made, and logs them.

        Where a record is no longer what `standing` has, somebody else was faster, and it stays as it is.
        """
        wanted = [change for change in changes if change]
        if not wanted:
            return []
        with self._client.pipeline(transaction=False) as pipeline:
            for change in wanted:
                self._ask(pipeline, standing, change)
            made = pipeline.execute()
        done = [change for change, was_made in zip(wanted, made, strict=True) if was_made]
        for change in done:
            _tell(change)
        return done

    def acknowledge(self, name: str, who: str, why: str) -> Raised:
        """Somebody knows of it: until it clears it is not delivered again.

        Raises:
            UnknownAlert: it is not raised.
        """
        change = self._one(lambda standing: changing.acknowledged(standing, name, who, why))
        if change is None or not isinstance(change.after, Raised):
            raise UnknownAlert(f"no alert {name!r} is raised: `omninode alerts` shows those that are")
        return change.after

    def silence(self, pattern: str, until: datetime, who: str, why: str) -> Silence:
        """What matches, such as `queue_age:*`, is raised and shown, but not delivered until then."""

        def silenced(standing: Standing) -> Change:
            made = Silence(pattern, record.stamp(until), who, why, standing.stamp)
            return changing.silenced(standing, made)

        change = self._one(silenced)
        if change is None or not isinstance(change.after, Silence):
            raise AlertsAreBusy
        return change.after

    def unsilence(self, pattern: str, who: str, why: str = "") -> None:
        """Deliver again what matches.

        Raises:
            UnknownAlert: there is no such silence.
        """
        if self._one(lambda standing: changing.unsilenced(standing, pattern, who, why)) is None:
            raise UnknownAlert(f"no silence is {pattern!r}: `omninode alerts silences` shows them")

    def _one(self, planned: Callable[[Standing], Change | None]) -> Change | None:
        """Make this change, on what the record is by then; None where there is none to make."""
        for _ in range(_MOST_TRIES):
            standing = self.read()
            change = planned(standing)
            if change is None:
                return None
            if self.apply(standing, [change]):
                return change
        raise AlertsAreBusy

    def _ask(self, pipeline: Any, standing: Standing, change: Change) -> None:
        is_silence = isinstance(change.after or change.before, Silence)
        stored = standing.stored_silences if is_silence else standing.stored
        key = keys.silences(self._prefix) if is_silence else keys.alerts(self._prefix)
        told = [part for pair in history.fields(change).items() for part in pair]
        after = record.text(change.after) if change.after else ""
        arguments: list[str | int] = [
            change.name,
            stored.get(change.name, ""),
            after,
            history.MOST_ENTRIES,
            *told,
        ]
        self._change(keys=[key, keys.alert_history(self._prefix)], args=arguments, client=pipeline)


def _tell(change: Change) -> None:
    if change.event is None:
        return
    about = history.fields(change)
    del about["event"]
    about.pop("deliver", None)
    is_bad = change.event in {"raised", "still_raised", "severity"}
    _LOG.tell("warning" if is_bad else "info", f"alert_{_CHANGED.get(change.event, change.event)}", **about)
