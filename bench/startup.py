"""How long a start takes: `omninode --help` beside `celery --help`, and `omninode dev` beside a bare worker.

The peer of `omninode dev` (three servers, a worker, beat, a relay and Flower) is a plain Celery worker on a
Redis that already runs: what anybody waits for who works on a Celery task. Alternating rounds, medians,
ratios.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from orchestrator.dev.stack import running

ROUNDS = 5
BIN = Path(sys.executable).parent


def main() -> None:
    """Run the rounds and print the table; the first `omninode dev` may fill the cache and does not count."""
    with running() as stack:
        os.environ["REDIS_URL"], os.environ["DATABASE_URL"] = stack.redis_url, stack.database_url
        _dev()
        _compare("omninode --help", lambda: _help("omninode"), "celery --help", lambda: _help("celery"))
        _compare("omninode dev, ready", _dev, "plain celery worker, ready", _plain_worker)


def _compare(name: str, ours: Callable[[], float], peer_name: str, peer: Callable[[], float]) -> None:
    pairs = [(ours(), peer()) for _ in range(ROUNDS)]
    our_median, peer_median = (statistics.median(times) for times in zip(*pairs, strict=True))
    ratio = statistics.median(our / their for our, their in pairs)
    print(f"{name:22} {our_median:6.2f} s   {peer_name:27} {peer_median:6.2f} s   ratio {ratio:.2f}")


def _help(command: str) -> float:
    began = time.perf_counter()
    subprocess.run([str(BIN / command), "--help"], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def _dev() -> float:
    return _until_line([str(BIN / "omninode"), "dev", "--json"], lambda line: "redis_url" in json.loads(line))


def _plain_worker() -> float:
    command = [sys.executable, "-m", "celery", "-A", "bench.peers.stock_hooks", "worker", "-l", "INFO"]
    return _until_line(command, lambda line: b" ready." in line)


def _until_line(command: list[str], wanted: Callable[[bytes], bool]) -> float:
    """Seconds from the start of the command to the line that says that it is ready; then it is stopped."""
    began = time.perf_counter()
    errors = subprocess.STDOUT if "celery" in command else subprocess.DEVNULL
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors) as process:
        assert process.stdout
        seconds = next(time.perf_counter() - began for line in process.stdout if wanted(line))
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
    return seconds


if __name__ == "__main__":
    main()
