"""Counts of the fleet are the ledger of who made the tasks, though workers are killed meanwhile."""

import os
import signal
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from math import floor
from pathlib import Path
from typing import Any

import pytest
from _pytest.outcomes import Skipped

from monitoring.recording.sums import Key, Sums
from monitoring.rollup import encoding
from orchestrator import broker, keys
from orchestrator.dev.stack import Addresses
from orchestrator.settings import Settings
from tests.acceptance import counted, counted_tasks
from tests.acceptance.counted import QUEUE, Ledger, Note
from tests.acceptance.shared_place import app_in, left, place
from tests.observability.expressions import faster_rules
from tests.observability.programs import programs
from tests.observability.servers import Prometheus, start_prometheus
from tests.observability.watching import start_exporter
from tests.processes import start_worker, wait_until

# `make chaos` makes a hundred thousand.
TASKS = int(os.environ.get("OMNINODE_TEST_COUNTED_TASKS", "4000"))
WORKERS = 4
# Raised by many letters a minute.
ALERT = "OmninodeLettersPerMinute"
# At which part of the tasks a worker is killed, with its children.
KILLS = (0.3, 0.6)
PATIENCE_SECONDS = 60 + TASKS / 300
# What a killed process may not have written: an interval, and the time that a busy machine takes to write.
UNWRITTEN_SECONDS = 3.0


@dataclass(frozen=True)
class Scraped:
    """What a Prometheus has seen: outcomes at the end, and whether its alert was raised, and cleared."""

    outcomes: Counter[counted.Outcome]
    was_raised: bool
    was_cleared: bool


@dataclass(frozen=True)
class Run:
    """What was made, noted and counted; `killed` are the workers' processes."""

    ledger: Ledger
    notes: list[Note]
    sums: Sums
    killed: frozenset[int]
    scraped: Scraped | None

    def surely_written(self, note: Note) -> bool:
        """Whether nobody was killed before it had to be written."""
        return note.pid not in self.killed or note.at < self._ends[note.pid] - UNWRITTEN_SECONDS

    @cached_property
    def _ends(self) -> dict[int, float]:
        """When each process has noted something last."""
        return {note.pid: note.at for note in sorted(self.notes, key=lambda note: note.at)}


@pytest.fixture(scope="module")
def settings(stack: Addresses, template: str) -> Iterator[Settings]:
    with place(stack, template) as made:
        yield made


@pytest.fixture(scope="module")
def run(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("notes")
    environment = {
        "OMNINODE_IMPORTS": counted_tasks.__name__,
        "OMNINODE_LEASE_SECONDS": "3",
        "OMNINODE_ALERT_QUEUE_AGE_SECONDS": "3600",
        counted_tasks.FOLDER: str(folder),
    }
    killed = []
    with ExitStack() as stack, app_in(settings) as app, broker.client(settings, decode=True) as server:
        prometheus = _prometheus(stack, folder.with_name("watched"))
        raised: set[str] = set()
        options = ("--queues", QUEUE, "--without-gossip")
        workers = [
            stack.enter_context(start_worker(*options, environment=environment)) for _ in range(WORKERS)
        ]
        ledger = Ledger(app)
        ledger.enqueue(TASKS, seed=8)
        for part in KILLS:
            wait_until(partial(_have_ended, server, TASKS * part), PATIENCE_SECONDS, "a part of them")
            raised |= _raised(prometheus)
            victim = workers.pop(0)
            os.killpg(victim.process.pid, signal.SIGKILL)
            killed.append(victim.process.pid)
        wait_until(lambda: left(server, QUEUE) == 0, PATIENCE_SECONDS, "the end of all")
        for each in workers:
            # What they have recorded is written at their end, at the latest.
            os.kill(each.process.pid, signal.SIGTERM)
        wait_until(lambda: all(each.process.poll() is not None for each in workers), 30, "their end")
        sums = _counted(server)
        scraped = _scraped(prometheus, was_raised=ALERT in raised) if prometheus else None
    return Run(ledger, list(counted.notes(folder)), sums, frozenset(killed), scraped)


def _prometheus(stack: ExitStack, folder: Path) -> Prometheus | None:
    """One that scrapes an exporter; None where there is none to be had."""
    try:
        programs()
    except Skipped:
        return None
    folder.mkdir()
    (folder / "rules.yml").write_text(faster_rules())
    _, url = stack.enter_context(start_exporter(folder))
    return stack.enter_context(start_prometheus([url.removeprefix("http://")], rules=[folder / "rules.yml"]))


def _raised(prometheus: Prometheus | None) -> set[str]:
    return {name for name, state in prometheus.alerts().items() if state == "firing"} if prometheus else set()


def _scraped(prometheus: Prometheus, *, was_raised: bool) -> Scraped:
    def has_cleared() -> bool:
        nonlocal was_raised
        was_raised = was_raised or ALERT in _raised(prometheus)
        return was_raised and ALERT not in _raised(prometheus)

    with suppress(AssertionError):
        wait_until(has_cleared, 60, "the end of the alert")
    found: Counter[counted.Outcome] = Counter()
    for of, count in prometheus.query(f'omninode_task_outcomes_total{{queue="{QUEUE}"}}'):
        found[of["task"], of["outcome"], of.get("reason", "")] += int(count)
    return Scraped(found, was_raised, ALERT not in _raised(prometheus))


def _counted(server: Any) -> Sums:
    return encoding.read(server.hgetall(keys.metrics("totals")))


def _have_ended(server: Any, tasks: float) -> bool:
    outcomes = _counted(server).outcomes
    return sum(n for of, n in outcomes.items() if of.outcome in {"succeeded", "dead_lettered"}) > tasks


def test_outcomes_are_exactly_those_of_the_ledger(run: Run) -> None:
    found: Counter[counted.Outcome] = Counter()
    for of, count in run.sums.outcomes.items():
        found[of.task, of.outcome, of.reason] += count

    assert found == run.ledger.outcomes
    assert {of.queue for of in run.sums.outcomes} == {QUEUE}


def test_prometheus_has_seen_the_same_and_has_told_of_the_letters_until_there_were_no_more(run: Run) -> None:
    if run.scraped is None:
        pytest.skip("there is no Prometheus here")

    assert run.scraped == Scraped(run.ledger.outcomes, was_raised=True, was_cleared=True)


def test_letters_and_retries_follow_from_them(run: Run) -> None:
    died = sum(count for (_, outcome, _), count in run.ledger.outcomes.items() if outcome == "dead_lettered")
    retried = {task: n for (task, outcome, _), n in run.ledger.outcomes.items() if outcome == "retried"}

    assert run.sums.events["dead_letter_message", f"{QUEUE}.dlq"] == died
    assert {task: n for (kind, task), n in run.sums.events.items() if kind == "retry_attempt"} == retried


def test_of_durations_at_most_what_a_killed_worker_had_not_written_is_missing(run: Run) -> None:
    told: defaultdict[tuple[str, bool], list[Note]] = defaultdict(list)
    for note in run.notes:
        told[note.task, note.success].append(note)

    assert {(key.component, key.status == "success") for key in run.sums.calls} == set(told)
    for (task, success), noted in told.items():
        calls = run.sums.calls[Key(task, "run", "success" if success else "error")]
        assert sum(map(run.surely_written, noted)) <= calls.count <= len(noted)


def test_their_sum_is_that_of_the_notes_where_nothing_is_missing(run: Run) -> None:
    for key, calls in run.sums.calls.items():
        noted = [n for n in run.notes if (n.task, n.success) == (key.component, key.status == "success")]
        surely = sum(_micros(note) for note in noted if run.surely_written(note))

        assert surely - len(noted) <= calls.micros <= sum(map(_micros, noted)) + len(noted)


@pytest.mark.parametrize("share", [0.95, 0.99])
def test_percentiles_are_within_five_per_cent_of_the_exact_ones(run: Run, share: float) -> None:
    """Of the many that have succeeded: either of all that was noted, or without what may be missing."""
    calls = run.sums.calls[Key("counted.succeed", "run", "success")]
    noted = [note for note in run.notes if note.task == "counted.succeed" and note.success]
    exact = [
        _quantile([note.seconds for note in some], share) * 1000
        for some in (noted, [note for note in noted if run.surely_written(note)])
    ]

    found = calls.quantile_ms(share)

    assert found is not None
    assert min(exact) * 0.95 <= found <= max(exact) * 1.05


def _micros(note: Note) -> int:
    return floor(note.seconds * 1e6 + 0.5)


def _quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
