"""The benchmark of the transport, small: it measures real workers, and leaves nothing behind."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_benchmark_of_the_transport_measures_both_sides() -> None:
    command = [
        sys.executable,
        "bench/transport.py",
        "--tasks",
        "100",
        "--rounds",
        "1",
        "--only",
        "drain-solo",
    ]

    done = subprocess.run([*command, "--json"], cwd=ROOT, capture_output=True, text=True, check=False)

    (figure,) = json.loads(done.stdout)["figures"]
    assert figure["remark"] == ""
    assert figure["ours"] > 0
    assert figure["peer"] > 0
    assert done.returncode == (0 if figure["met"] else 1)
