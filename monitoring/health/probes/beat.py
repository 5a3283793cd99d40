"""Does beat keep its time?"""

import time

from redis.exceptions import RedisError

from monitoring.health.registry import health_check
from monitoring.health.verdict import Degraded, Unhealthy
from orchestrator import beat, redis, settings, times
from orchestrator.beat import Heartbeat

_TIMEOUT_SECONDS = 3.0


@health_check("beat")
def check_beat() -> str | Degraded:
    """Look at beat's last heartbeat."""
    chosen = settings.current()
    try:
        with redis.connect(chosen.redis_url, timeout_seconds=_TIMEOUT_SECONDS, retries=0) as client:
            heartbeat = beat.last_heartbeat(client)
    except RedisError as error:
        raise Unhealthy(f"its heartbeat cannot be read, Redis does not answer: {error}") from error
    return judge(heartbeat, time.time(), chosen.health_interval_seconds)


def judge(heartbeat: Heartbeat | None, now: float, interval_seconds: float) -> str | Degraded:
    """What the last heartbeat means at this moment.

    Raises:
        Unhealthy: there is none, or it is older than two and a half intervals.
    """
    if heartbeat is None:
        raise Unhealthy("beat has not been seen: start `celery -A orchestrator beat`")
    silent_seconds = max(0.0, now - heartbeat.at)
    if beat.is_late(heartbeat.at, now, interval_seconds):
        raise Unhealthy(
            f"late: {heartbeat.beat} sent nothing for {times.length(silent_seconds)}, though it ought to "
            f"every {times.length(interval_seconds)}; start `celery -A orchestrator beat` again"
        )
    if heartbeat.rival and not beat.is_late(heartbeat.rival_at, now, interval_seconds):
        return Degraded(
            f"two run at once, {heartbeat.beat} and {heartbeat.rival}, and send every task twice: stop one"
        )
    return f"{heartbeat.beat} sent its last task {times.length(silent_seconds)} ago"
