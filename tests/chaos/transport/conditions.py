"""What every process of a run has to agree on: addresses, folders and lengths of time."""

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# Short, so that a run meets many ends of leases.
LEASE_SECONDS = 3.0
MAX_DELIVERIES = 5
# Stock Celery's counterpart of a lease. It must be longer than the longest task and the latest eta.
VISIBILITY_SECONDS = 8
# How long a server, a worker or a wire is away so that leases end.
AWAY_SECONDS = 1.5 * LEASE_SECONDS
QUEUES = ("a", "b", "c")
PRIORITIES = (0, 3, 6, 9)
PRODUCERS = 2
# Has a process write its threads' stacks into its log.
STACKS_SIGNAL = signal.SIGUSR2


@dataclass(frozen=True)
class Conditions:
    """One run's; workers and producers read them from their environment."""

    seed: int
    messages: int
    per_second: float
    stock: bool
    folder: Path
    results_url: str
    # Without faults everything can be counted.
    calm: bool = False

    @property
    def run(self) -> str:
        """What every task id of the run begins with."""
        return f"chaos{self.seed}"

    def environment(self, broker_url: str) -> dict[str, str]:
        """The environment of a worker or a producer that reaches the broker at this URL."""
        return {
            "CHAOS_SEED": str(self.seed),
            "CHAOS_MESSAGES": str(self.messages),
            "CHAOS_PER_SECOND": str(self.per_second),
            "CHAOS_STOCK": str(int(self.stock)),
            "CHAOS_CALM": str(int(self.calm)),
            "CHAOS_FOLDER": str(self.folder),
            "REDIS_URL": broker_url,
            "CELERY_BROKER_URL": broker_url,
            "CELERY_RESULT_BACKEND": self.results_url,
            "OMNINODE_LEASE_SECONDS": str(LEASE_SECONDS),
            "OMNINODE_MAX_DELIVERIES": str(MAX_DELIVERIES),
            "OMNINODE_LOG_FORMAT": "json",
        }


def read(environment: Mapping[str, str] = os.environ) -> Conditions:
    """The conditions of the run that this process was started for."""
    return Conditions(
        seed=int(environment["CHAOS_SEED"]),
        messages=int(environment["CHAOS_MESSAGES"]),
        per_second=float(environment["CHAOS_PER_SECOND"]),
        stock=environment["CHAOS_STOCK"] == "1",
        folder=Path(environment["CHAOS_FOLDER"]),
        results_url=environment["CELERY_RESULT_BACKEND"],
        calm=environment["CHAOS_CALM"] == "1",
    )
