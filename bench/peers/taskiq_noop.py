"""A peer of `bench/transport.py`: taskiq on a Redis stream; run as a program, it fills its stream."""

import asyncio
import os
import sys

from taskiq_redis import RedisStreamBroker

from bench.load import board

_AT_ONCE = 100

# From the stream's beginning: it is filled before the workers start.
broker = RedisStreamBroker(url=os.environ["REDIS_URL"], consumer_id="0")
_rows = board.shared()


@broker.task(task_name="bench.noop")
async def noop(row: int) -> None:
    """Do nothing, once."""
    _rows.run(row)


async def _fill(count: int) -> None:
    await broker.startup()
    for first in range(0, count, _AT_ONCE):
        await asyncio.gather(*(noop.kiq(row) for row in range(first, min(first + _AT_ONCE, count))))
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(_fill(int(sys.argv[1])))
