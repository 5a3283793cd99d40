"""What is beside the code is in the package, and so in the wheel and the image."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("orchestrator", "monitoring", "tasks")


def test_every_file_beside_the_code_is_packaged() -> None:
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = configuration["tool"]["setuptools"]["package-data"]
    packaged = {
        path
        for package in PACKAGES
        for path in [
            *(found for pattern in patterns.get(package, []) for found in (ROOT / package).glob(pattern)),
            *(found for pattern in patterns["*"] for found in (ROOT / package).rglob(pattern)),
        ]
    }
    beside = {
        path
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix != ".py" and "__pycache__" not in path.parts
    }

    assert {path.relative_to(ROOT).as_posix() for path in beside - packaged} == set()
    assert ROOT / "monitoring/grafana/dashboards/omninode.json" in packaged
