"""Where tests find Prometheus, and what they say where there is none."""

from pathlib import Path

import pytest

from tests.observability import programs as finding


def test_where_there_are_none_a_test_is_skipped_and_says_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    finding._found.cache_clear()  # noqa: SLF001
    try:
        with pytest.raises(pytest.skip.Exception, match=r"sudo apt-get install .* there is no apt-get here"):
            finding.programs()
    finally:
        finding._found.cache_clear()  # noqa: SLF001
