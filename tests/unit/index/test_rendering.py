"""Letters as a person reads them."""

import pytest

from orchestrator import redaction
from orchestrator.cli.deadletters import rendering


def test_a_table_fits_its_columns_and_the_last_one_gives_way(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")

    rendering.table(
        ["id", "letters", "error"], [["abc", "12", "x" * 200], ["界界", "3", "a\x1b[31m\nb"]], ["letters"]
    )

    assert capsys.readouterr().out.splitlines() == [
        "id    letters  error",
        f"abc        12  {'x' * 84}…",
        r"界界        3  a\x1b[31m\nb",
    ]


def test_what_is_read_from_a_pipe_is_not_cut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)

    rendering.table(["id", "error"], [["abc", "x" * 200]])

    assert capsys.readouterr().out.splitlines() == ["id   error", f"abc  {'x' * 200}"]


def test_a_sparkline_has_a_bar_for_each_number_and_a_dot_for_none() -> None:
    assert rendering.sparkline([0, 1, 2, 4, 8, 0]) == "·▁▂▄█·"
    assert rendering.sparkline([0, 1]) == "·█"
    assert rendering.sparkline([0, 0]) == "··"


def test_what_lies_under_a_secret_name_is_masked_in_any_depth() -> None:
    told = {
        "args": [{"user": {"password": "hunter2", "Api-Key": ["k1", {"a": 1}]}}, "token=abc"],
        "url": "redis://:pw@host/0",
        "count": 3,
        "secret": None,
    }

    assert redaction.data(told) == {
        "args": [{"user": {"password": "****", "Api-Key": "****"}}, "token=****"],
        "url": "redis://:****@host/0",
        "count": 3,
        "secret": None,
    }
