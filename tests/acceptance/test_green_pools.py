"""Pools of greenlets are refused before anything is started."""

import subprocess
import sys
from pathlib import Path

import pytest

_ADVICE = "use --pool=threads for tasks that wait for I/O\n"


@pytest.mark.parametrize("pool", ["gevent", "eventlet"])
def test_a_pool_of_greenlets_is_refused_with_a_sentence(tmp_path: Path, pool: str) -> None:
    # Named in the configuration, because Celery itself fails on an option whose package is not installed.
    (tmp_path / "green.py").write_text(
        "from celery import Celery\nfrom orchestrator.install import install\n"
        f"app = Celery('green')\napp.conf.worker_pool = {pool!r}\ninstall(app)\n"
    )

    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "green", "worker"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 1
    assert done.stderr.endswith("omninode: OmniNode does not run on gevent or eventlet: " + _ADVICE)
    assert "Traceback" not in done.stderr
