"""The keepers of this process: one for each broker, whatever becomes of its connections."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from redis import Redis

from orchestrator.transport.keeper import Keeper
from orchestrator.transport.ledger import Ledger

if TYPE_CHECKING:
    from orchestrator.transport.channel import ClaimingChannel

_KEEPERS: dict[tuple[int, str], Keeper] = {}


def keeper_for(channel: ClaimingChannel) -> Keeper:
    """The keeper of the channel's broker; a forked child gets none of its parent's."""
    broker = os.getpid(), channel.connection.client.as_uri(include_password=True)
    keeper = _KEEPERS.get(broker)
    if keeper is None:
        ledger = Ledger(channel.lease_seconds, channel.max_deliveries)
        keeper = _KEEPERS[broker] = Keeper(ledger, _client(channel), channel.keys)
        keeper.start()
    return keeper


def keepers() -> list[Keeper]:
    """All keepers of this process."""
    return [keeper for (pid, _), keeper in _KEEPERS.items() if pid == os.getpid()]


def close() -> None:
    """Give back what is held on every broker, and forget it."""
    for broker in [broker for broker in _KEEPERS if broker[0] == os.getpid()]:
        _KEEPERS.pop(broker).close()


def _client(channel: ClaimingChannel) -> Redis:
    pool = channel._get_pool()  # noqa: SLF001 (kombu's own way to the broker: TCP, TLS, socket or Sentinel)
    patience = max(0.5, channel.lease_seconds / 4)
    for option in ("socket_timeout", "socket_connect_timeout"):
        given = pool.connection_kwargs.get(option)
        pool.connection_kwargs[option] = min(given, patience) if given else patience
    return Redis(connection_pool=pool)
