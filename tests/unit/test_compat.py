"""How the two sides of Celery's own integration tests are compared."""

from pathlib import Path

from tests.compat.results import FAILED, PASSED, PYTEST_ITSELF, SKIPPED, Ending, Results
from tests.compat.verdict import compare

FILES = ["test_canvas.py"]
_JUNIT = """<testsuites><testsuite name="pytest">
<testcase classname="t.integration.test_canvas.test_chain" name="test_simple" time="0.25"/>
<testcase classname="t.integration.test_canvas" name="test_plain[a.b-1]" time="1"/>
<testcase classname="t.integration.test_canvas.test_group" name="test_empty" time="0">
  <failure message="TimeoutError: 10 s&#10;and more">…</failure></testcase>
<testcase classname="t.integration.test_canvas.test_group" name="test_ends" time="0"/>
<testcase classname="t.integration.test_canvas.test_group" name="test_ends" time="0">
  <error message="no"/></testcase>
<testcase classname="t.integration.test_canvas.test_group" name="test_cassandra" time="0">
  <skipped message="not here"/></testcase>
</testsuite></testsuites>"""


def _results(**outcomes: str) -> Results:
    return Results({("test_canvas.py", name): Ending(outcome, 1.0) for name, outcome in outcomes.items()})


def _left_by_pytest(folder: Path, junit: str | None) -> Results:
    report, log = folder / "report.xml", folder / "pytest.log"
    if junit:
        report.write_text(junit)
    log.write_text(
        "t/integration/test_canvas.py::test_a RERUN [ 1%]\nRERUN t/test_canvas.py::test_a\nlast line\n"
    )
    found = Results()
    found.add("test_canvas.py", report, log)
    return found


def test_a_report_of_pytest_is_read_by_file_and_name(tmp_path: Path) -> None:
    found = _left_by_pytest(tmp_path, _JUNIT)

    assert found.tests == {
        ("test_canvas.py", "test_chain.test_simple"): Ending(PASSED, 0.25),
        ("test_canvas.py", "test_plain[a.b-1]"): Ending(PASSED, 1.0),
        ("test_canvas.py", "test_group.test_empty"): Ending(FAILED, 0.0, "TimeoutError: 10 s"),
        ("test_canvas.py", "test_group.test_ends"): Ending(FAILED, 0.0, "no"),
        ("test_canvas.py", "test_group.test_cassandra"): Ending(SKIPPED, 0.0, "not here"),
    }
    assert found.reruns == {"test_canvas.py": 1}


def test_results_that_were_kept_are_read_as_they_were(tmp_path: Path) -> None:
    found = _left_by_pytest(tmp_path, _JUNIT)
    found.write(tmp_path / "kept.xml")

    assert Results.read(tmp_path / "kept.xml") == found


def test_a_run_without_a_report_is_one_failure(tmp_path: Path) -> None:
    found = _left_by_pytest(tmp_path, None)

    assert found.tests == {("test_canvas.py", PYTEST_ITSELF): Ending(FAILED, 0.0, "last line")}
    both = compare(found, _results(a=PASSED), FILES, chosen=False)
    assert [each.name for each in both.worse] == [PYTEST_ITSELF]


def test_only_what_passes_on_stock_has_to_pass_on_omninode() -> None:
    stock = _results(same=PASSED, broken=PASSED, gone=PASSED, skipped=PASSED, django=FAILED, mended=FAILED)
    omninode = _results(same=PASSED, broken=FAILED, skipped=SKIPPED, django=FAILED, mended=PASSED)

    verdict = compare(stock, omninode, FILES, chosen=False)

    assert [each.name for each in verdict.worse] == ["broken", "gone", "skipped"]
    assert [each.name for each in verdict.better] == ["mended"]
    assert [each.name for each in verdict.both_fail] == ["django"]


def test_tests_that_were_not_chosen_are_not_missed() -> None:
    verdict = compare(_results(a=PASSED, b=PASSED), _results(a=PASSED), FILES, chosen=True)

    assert verdict.worse == []


def test_without_stock_no_test_may_fail() -> None:
    verdict = compare(None, _results(a=PASSED, b=FAILED, c=SKIPPED), FILES, chosen=False)

    assert [each.name for each in verdict.worse] == ["b"]
