"""What is told of the changes that no test has noticed."""

from tests.mutation.score import Score

_COUNTS = {"killed": 7, "timeout": 1, "segfault": 1, "survived": 1, "total": 10, "no_tests": 0, "skipped": 0}
_DIFF = """# rules.py
--- rules.py
+++ rules.py
@@ -1,2 +1,2 @@
 def f(x):
-    return x < 1
+    return x <= 1
"""


def test_a_change_is_noticed_also_where_the_tests_end_badly() -> None:
    score = Score.of(_COUNTS, {"f_1": _DIFF})

    assert (score.made, score.noticed, score.is_enough) == (10, 9, True)
    assert score.text() == (
        "f_1\n  -    return x < 1\n  +    return x <= 1\n\n"
        "9 of 10 changes made a test fail: 90.0% (90% are enough)"
    )


def test_fewer_than_nine_of_ten_are_not_enough() -> None:
    score = Score.of(_COUNTS | {"killed": 6}, {})

    assert not score.is_enough
    assert score.record() == {"made": 10, "noticed": 8, "share": 0.8, "unnoticed": {}}


def test_no_change_at_all_is_not_enough() -> None:
    assert not Score(0, 0, {}).is_enough
