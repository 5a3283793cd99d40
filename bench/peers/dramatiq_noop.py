"""A peer of `bench/transport.py`: dramatiq on Redis; run as a program, it fills its queue."""

import os
import sys

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from bench.load import board

dramatiq.set_broker(RedisBroker(url=os.environ["REDIS_URL"]))  # type: ignore[no-untyped-call]
_rows = board.shared()


@dramatiq.actor
def noop(row: int) -> None:
    """Do nothing, once."""
    _rows.run(row)


if __name__ == "__main__":
    for number in range(int(sys.argv[1])):
        noop.send(number)
