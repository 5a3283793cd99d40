"""Where things lie: the checkout, the cache that git does not see, and what is in it."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".compat"
ENVIRONMENT = CACHE / "venv"
NEEDS = Path(__file__).with_name("requirements.txt")
RESULTS = CACHE / "results"
