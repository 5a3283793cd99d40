"""Dead letters of events, as they lie in the outbox."""

from orchestrator import keys, redis
from orchestrator.settings import Settings


def letters(settings: Settings) -> list[dict[str, str]]:
    """All letters that wait there, oldest first."""
    with redis.connect(settings.redis_url) as client:
        return [fields for _, fields in client.xrange(keys.outbox())]
