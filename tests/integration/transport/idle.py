"""The model's idle workers: who keeps watch, who waits to be woken, and who is."""

from orchestrator.transport.exchange import RESERVE, SENTRY, Wish
from tests.integration.transport.places import Places

_MAX_SENTRIES = 3


class Idle(Places):
    """Sentries and reserves of one group of workers; each is given by the keys of both."""

    def _others_wait(self, token: str, sentries: str, reserves: str, now: int) -> bool:
        everybody = {**self.waiting.get(sentries, {}), **self.waiting.get(reserves, {})}
        return any(until > now for name, until in everybody.items() if name != token)

    def _wait(self, wish: Wish, sentries: str, reserves: str, now: int) -> int:
        self._forget_gone(sentries, now)
        watching = self.waiting.get(sentries, {})
        if wish.token in watching or len(watching) < _MAX_SENTRIES:
            self.waiting.setdefault(sentries, {})[wish.token] = now + wish.wait_ms + 2000
            if wish.role == RESERVE:
                self._remove(reserves, wish.token)
            return SENTRY
        self._forget_gone(reserves, now)
        self.waiting.setdefault(reserves, {})[wish.token] = now + wish.wait_ms + 2000
        return RESERVE

    def _leave(self, wish: Wish, sentries: str, reserves: str, now: int, *, more: bool) -> None:
        if wish.role == SENTRY:
            self._remove(sentries, wish.token)
        if wish.role == RESERVE:
            self._remove(reserves, wish.token)
        while more and self.waiting.get(reserves):
            until, longest = min((until, token) for token, until in self.waiting[reserves].items())
            self._remove(reserves, longest)
            if until > now:
                self.wakes.add(f"{reserves}:{longest}")
                return

    def _forget_gone(self, name: str, now: int) -> None:
        for token, until in list(self.waiting.get(name, {}).items()):
            if until <= now:
                self._remove(name, token)

    def _remove(self, name: str, token: str) -> None:
        self.waiting.get(name, {}).pop(token, None)
        if not self.waiting.get(name):
            self.waiting.pop(name, None)
