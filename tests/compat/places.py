"""Where things lie: the checkout, the cache that git does not see, and what is in it."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".compat"
ENVIRONMENT = CACHE / "venv"
RESULTS = CACHE / "results"
