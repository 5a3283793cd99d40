"""How far each destination has come: in the broker's Redis, so that it outlives whoever delivers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib.resources import files
from typing import Any

from redis import Redis

from monitoring.alerts.delivering.told import Told
from orchestrator import keys

# What a destination that is new has not missed: of this it is told as it happened.
_NEWS_SECONDS = 600
_KEPT_SECONDS = 30 * 86_400
_TOLD = "told:"


@dataclass(frozen=True)
class Account:
    """Where a destination is. Moments are Unix seconds of Redis's clock, `now` is when it was read.

    `position` is the last entry of the history that it has taken, refused or does not want, `stored` the same
    as it lies in Redis. While it is away, `error` says why, `failures` how often in a row, and it is asked
    again at `again_at`. `reminded_at`: when it was last told of all that is raised.
    """

    now: float
    position: str
    stored: str = ""
    told: Mapping[str, Told] = field(default_factory=dict)
    failures: int = 0
    again_at: float = 0.0
    error: str = ""
    refused: int = 0
    reminded_at: float = 0.0

    def with_belief(self, name: str, belief: Told | None) -> Account:
        """The same after the destination was told this of an alert; None: it is cleared."""
        others = {each: told for each, told in self.told.items() if each != name}
        return replace(self, told=others | ({name: belief} if belief else {}))


class Ledger:
    """That of one destination; `client` answers with text. Reads and writes raise RedisError."""

    def __init__(self, client: Redis, destination: str, prefix: str = "") -> None:
        self._client: Any = client
        self._key = keys.alert_delivery(destination, prefix)
        script = (files(__package__) / "advance.lua").read_text(encoding="utf-8")
        self._advance = client.register_script(script)

    def read(self) -> Account:
        """How far it is; one that is new begins with what has happened in the last ten minutes."""
        with self._client.pipeline(transaction=False) as pipeline:
            pipeline.time()
            pipeline.hgetall(self._key)
            (seconds, micros), stored = pipeline.execute()
        position = stored.get("position", "")
        return Account(
            now=seconds + micros / 1e6,
            position=position or f"{max(0, seconds - _NEWS_SECONDS) * 1000}-0",
            stored=position,
            told=dict(_told(stored)),
            failures=int(stored.get("failures", 0)),
            again_at=float(stored.get("again_at", 0)),
            error=stored.get("error", ""),
            refused=int(stored.get("refused", 0)),
            reminded_at=float(stored.get("reminded_at", 0)),
        )

    def write(self, before: Account, after: Account) -> Account | None:
        """Have it be so; None where somebody else has moved the destination since `before`."""
        pairs: list[str | int | float] = []
        for name in ("position", "failures", "again_at", "error", "refused", "reminded_at"):
            pairs += [name, getattr(after, name)]
        for name, told in after.told.items():
            if before.told.get(name) != told:
                pairs += [_TOLD + name, json.dumps(asdict(told))]
        gone = [_TOLD + name for name in before.told if name not in after.told]
        arguments = [before.stored, _KEPT_SECONDS, len(pairs), *pairs, *gone]
        was_moved = self._advance(keys=[self._key], args=arguments)
        return replace(after, stored=after.position) if was_moved else None

    def wake(self) -> None:
        """It answers: what waits for it is sent in the next round, not when it was to be asked again."""
        account = self.read()
        # Where somebody else has moved it since, it was asked.
        if account.again_at:
            self.write(account, replace(account, again_at=0.0))


def _told(stored: Mapping[str, str]) -> Iterator[tuple[str, Told]]:
    for name, value in sorted(stored.items()):
        if name.startswith(_TOLD):
            yield name.removeprefix(_TOLD), Told(**json.loads(value))
