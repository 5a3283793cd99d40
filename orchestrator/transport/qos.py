"""Kombu's bookkeeping of what is unacknowledged, for claimed messages: the ledger knows."""

from __future__ import annotations

from typing import Any

from kombu.transport import redis as stock


class QoS(stock.QoS):  # type: ignore[misc]
    """Settles claimed messages in the ledger; others (got by `basic_get`) are stock's."""

    def append(self, message: Any, delivery_tag: str) -> None:
        """A message is delivered: the claim is known to Redis already, and is no message of stock's."""
        if not self._is_claim(delivery_tag):
            super().append(message, delivery_tag)
            return
        message.claim = self.channel.delivering
        message.claim.handed_over = True

    def ack(self, delivery_tag: str) -> None:
        """The message is done."""
        if self._is_claim(delivery_tag):
            if claim := self.channel.claim_of(delivery_tag):
                claim.done()
        else:
            super().ack(delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002 (kombu's)
        """Put it back, or bury it: on this transport nothing is dropped."""
        if not self._is_claim(delivery_tag):
            super().reject(delivery_tag, requeue=requeue)
        elif claim := self.channel.claim_of(delivery_tag):
            if requeue:
                claim.reject()
            else:
                claim.bury(self.channel.letter(claim, "rejected"))

    def restore_unacked_once(self, stderr: Any = None) -> None:
        """Claims outlive channels: closing one gives nothing back."""
        if self._delivered:
            super().restore_unacked_once(stderr)
        else:
            self._on_collect.cancel()

    def _is_claim(self, delivery_tag: str) -> bool:
        return self.channel.has_claims and delivery_tag.startswith(self.channel.ledger.nonce)
