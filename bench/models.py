"""Embeddings per second of recorded calls of the local model beside bare wordllama, and a process's memory.

Each round asks both for the same texts, once a text a call and once 64 texts a call; medians and the ratio
are printed. A recorded call is a transaction of PostgreSQL more, whatever the number of its texts.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice
from pathlib import Path

from wordllama import WordLlama

from orchestrator import schema
from orchestrator.dev.stack import running
from tasks.models import ask, local
from tasks.texts.extract import extract

ROUNDS = 7
SECONDS_A_TURN = 0.7
BATCH_TEXTS = 64
INPUT = Path(__file__).parent.parent / "examples" / "github-webhooks.jsonl"

# What a worker process imports, and one call's work.
_PROCESS = """
import psutil
from orchestrator.celery import app
app.loader.import_default_modules()
before = psutil.Process().memory_info().rss
from tasks.models import local
local.preload()
local.model().embed(["one", "call"] * 32)
print(before, psutil.Process().memory_info().rss)
"""


def main() -> None:
    """Run the rounds on a stack of our own and print the table."""
    texts = _texts()
    with running() as stack:
        os.environ.update(stack.environment())
        schema.migrate(stack.database_url)
        for size in (1, BATCH_TEXTS):
            _compare(texts, size)
        _print_memory()


def _texts() -> list[str]:
    hooks = (json.loads(line) for line in INPUT.read_text(encoding="utf-8").splitlines())
    return [text.content for hook in hooks for text in extract(hook["event"], hook["payload"])]


def _compare(texts: list[str], size: int) -> None:
    bare = WordLlama.load(
        cache_dir=Path(sys.modules["wordllama"].__file__ or "").parent, disable_download=True
    )
    local.preload()
    contenders: dict[str, Callable[[list[str]], object]] = {
        "recorded call": lambda batch: ask("local", "embed", batch),
        "unrecorded": lambda batch: local.model().embed(batch).vectors.tolist(),
        "peer: bare wordllama": lambda batch: bare.embed(batch).tolist(),
    }
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, embed in contenders.items():
            rates[name].append(_rate(embed, _batches(texts, size)))
    _print(size, rates)


def _batches(texts: list[str], size: int) -> Iterator[list[str]]:
    endless = cycle(texts)
    while True:
        yield list(islice(endless, size))


def _rate(embed: Callable[[list[str]], object], batches: Iterator[list[str]]) -> float:
    """Texts per second, after one call that does not count."""
    embed(next(batches))
    done, began = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - began) < SECONDS_A_TURN:
        batch = next(batches)
        embed(batch)
        done += len(batch)
    return done / elapsed


def _print(size: int, rates: dict[str, list[float]]) -> None:
    medians = {name: statistics.median(values) for name, values in rates.items()}
    peer = list(medians.values())[-1]
    print(f"{f'texts/s, {size} a call, median of {ROUNDS}':36} {'median':>8} {'to peer':>8}   rounds")
    for name, values in rates.items():
        shown = " ".join(f"{value:.0f}" for value in values)
        print(f"{name:36} {medians[name]:8.0f} {medians[name] / peer:8.3f}   {shown}")


def _print_memory() -> None:
    shown = subprocess.run([sys.executable, "-c", _PROCESS], check=True, capture_output=True, text=True)
    before, after = (int(figure) / 1e6 for figure in shown.stdout.split())
    print(f"resident memory of a worker's process: {after:.0f} MB ({before:.0f} MB before the model)")


if __name__ == "__main__":
    main()
