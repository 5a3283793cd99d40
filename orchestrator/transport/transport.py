"""Kombu's transport: brings claiming channels into the event loop, beside what stock does for the others."""

from __future__ import annotations

import threading
from typing import Any

from kombu.transport import redis as stock

from orchestrator.transport.channel import ClaimingChannel, ClaimingSentinelChannel
from orchestrator.transport.consumer import SETTLE_AFTER_SECONDS

# A consumer without an event loop has no timers: it looks again this often.
_LOOK_AGAIN_SECONDS = 0.05


class Poller(stock.MultiChannelPoller):  # type: ignore[misc]
    """Polls claiming links along with stock's BRPOP and pub/sub connections."""

    loop: Any = None

    def on_poll_start(self) -> None:
        """Before every poll: let channels ask Redis, and watch their sockets."""
        super().on_poll_start()
        for channel in list(self._channels):
            if channel.is_claiming:
                self._watch(channel)
                channel.poll_claims()

    def _watch(self, channel: ClaimingChannel) -> None:
        client, claims = channel.claim_client, channel.claims
        if claims.link.is_up and (channel, client, "CLAIM") in self._chan_to_sock:
            return
        claims.forget()
        claims.link.prepare()
        claims.look_again()
        if self.loop is not None:
            claims.call_later = self.loop.call_later
            channel.ledger.on_note = Nudge(self.loop)
        self._register(channel, client, "CLAIM")

    def on_readable(self, fileno: int) -> Any:
        """A socket is readable: a claiming link takes its reply whatever the prefetch limit says."""
        channel_and_kind = self._fd_to_chan.get(fileno)
        if channel_and_kind and channel_and_kind[1] == "CLAIM":
            return channel_and_kind[0].handlers["CLAIM"]()
        return super().on_readable(fileno)

    def get(self, callback: Any, timeout: float | None = None) -> Any:
        """Wait for one event, without an event loop."""
        if any(channel.is_claiming for channel in self._channels):
            timeout = min(timeout or _LOOK_AGAIN_SECONDS, _LOOK_AGAIN_SECONDS)
        return super().get(callback, timeout=timeout)


class Nudge:
    """Makes the event loop tick once a settlement has waited long enough for company."""

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self._thread = threading.get_ident()

    def __call__(self) -> None:
        """Called by whoever notes a settlement, in any thread."""
        if threading.get_ident() == self._thread:
            self._soon()
        else:
            # Only the loop's own thread may touch its timers; this wakes it.
            self._loop.call_soon(self._soon)

    def _soon(self) -> None:
        self._loop.call_later(SETTLE_AFTER_SECONDS, _nothing)


def _nothing() -> None:
    """The loop ticks after each timer: that is all it takes."""


class Transport(stock.Transport):  # type: ignore[misc]
    """Redis, with claims. URLs, options and the wire format are stock's."""

    Channel = ClaimingChannel

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cycle = Poller()

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        """Take part in the event loop; the sweep for stock's lost messages has nothing to do here."""
        super().register_with_event_loop(connection, loop)
        self.cycle.loop = loop
        self.cycle._restore_messages_tref.cancel()  # noqa: SLF001


class SentinelTransport(Transport):
    """The same over `sentinel://` URLs."""

    Channel = ClaimingSentinelChannel
    default_port = 26379
