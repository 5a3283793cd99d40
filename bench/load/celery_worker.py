"""Workers of Celery's kind, OmniNode's or stock, and the queue that they find filled all at once."""

import base64
import json
from dataclasses import dataclass
from functools import cache
from uuid import uuid4

from bench.load import bed
from bench.load.bed import Bed

QUEUE = "celery"
# One worker with two processes, one with two threads, two of one each: two at a time, whatever the pool.
POOLS = {
    "prefork": (("--pool", "prefork", "--concurrency", "2"),),
    "threads": (("--pool", "threads", "--concurrency", "2"),),
    "solo": (("--pool", "solo"),) * 2,
}
# Tasks a second, where not speed is measured.
RATE = 50.0
_HELD_BACK = "bench:held-back"
_AT_ONCE = 500


@dataclass(frozen=True)
class Contender:
    """Who is measured: the module of its app, and the package that it cannot do without."""

    name: str
    app: str
    needs: str = "celery"


def start(where: Bed, who: Contender, pools: tuple[tuple[str, ...], ...], queues: str = QUEUE) -> None:
    """Start a worker for each pool, and wait until all are ready."""
    for number, pool in enumerate(pools):
        where.start(
            f"worker-{number}",
            *("celery", "--app", who.app, "worker", "--loglevel", "WARNING"),
            *("--queues", queues, "--hostname", f"bench-{number}@localhost", *pool),
        )
    where.wait_for_workers(len(pools))


def fill(where: Bed, who: Contender, task: str) -> None:
    """Put a message for each row of the board aside, as the contender's own producer writes it."""
    messages = render(who, task, where.board.size)
    for first in range(0, len(messages), _AT_ONCE):
        where.client.lpush(_HELD_BACK, *messages[first : first + _AT_ONCE])


def release(where: Bed) -> None:
    """Put all that was put aside into the queue, at one moment, so that no worker starts before another."""
    where.client.rename(_HELD_BACK, QUEUE)


def render(who: Contender, task: str, count: int) -> list[str]:
    """Messages of the task, for the rows 0, 1, …, each with an id of its own."""
    template = _template(who, task)
    message = json.loads(template)
    body = json.loads(base64.b64decode(message["body"]))
    task_id, tag = message["headers"]["id"], message["properties"]["delivery_tag"]
    rendered = []
    for row in range(count):
        content = base64.b64encode(json.dumps([[row], *body[1:]]).encode()).decode()
        text = template.replace(message["body"], content)
        rendered.append(text.replace(task_id, str(uuid4())).replace(tag, str(uuid4())))
    return rendered


@cache
def _template(who: Contender, task: str) -> str:
    with bed.made(1) as where:
        where.run("bench.load.send", who.app, "once", task)
        raw = where.client.rpop(QUEUE)
        if not isinstance(raw, bytes):
            raise bed.Spoilt(f"{who.name} has put no message into the list {QUEUE}")
        return raw.decode()
