"""A program that ends right after it has opened a circuit."""

import subprocess
import sys
from pathlib import Path

from tests.own_redis import OwnRedis

_PROGRAM = """
from orchestrator.breaker import breaker
from orchestrator.policy import Policy

guarded = breaker("mail", Policy(failure_threshold=1))
try:
    guarded.call(int, "no number")
except ValueError:
    pass
"""


def test_a_program_that_ends_at_once_has_said_that_it_opened_a_circuit(server: OwnRedis) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        cwd=Path(__file__).parents[3],
        env={"REDIS_URL": f"redis://127.0.0.1:{server.port}/0", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )

    assert "breaker_opened breaker='mail'" in done.stderr
    assert done.stdout == ""
