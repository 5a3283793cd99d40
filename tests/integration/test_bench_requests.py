"""How the benchmark of the transport counts what is asked of Redis."""

from redis import Redis

from bench.load import bed
from bench.load.requests import counted
from tests.processes import wait_until


def test_what_runs_inside_a_script_and_what_the_benchmark_asks_are_not_counted() -> None:
    with bed.made(1) as where, counted(where) as requests, Redis.from_url(where.url) as worker:
        where.client.set("key", "of the benchmark")
        worker.eval("for _ = 1, 10 do redis.call('INCR', 'number') end", 0)
        worker.set("text", 'a line\r\n+1.0 [0 lua] "that looks like MONITOR\'s"')
        worker.get("text")

        wait_until(lambda: requests.so_far()["get"])
        asked = requests.so_far()

    assert (asked["eval"], asked["set"], asked["get"], asked["incr"]) == (1, 1, 1, 0)
