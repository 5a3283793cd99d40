from orchestrator.breaker.report import Report
from orchestrator.breaker.window import Bucket, counted, total

SECOND = 1000


def test_a_call_is_counted_in_the_tenth_in_which_it_ended() -> None:
    window = counted((), 10 * SECOND, Report(0, ok=3, failed=2, slow=1), 25_999)
    assert window == (Bucket(25, 3, 2, 1),)
    assert counted(window, 10 * SECOND, Report(0, ok=1), 26_000) == (Bucket(25, 3, 2, 1), Bucket(26, 1))


def test_buckets_are_whole_milliseconds_long() -> None:
    # A tenth of 1.005 s is 100.5 ms, and a bucket takes 100.
    assert counted((), 1005, Report(0, ok=1), 20_000) == (Bucket(200, 1),)
    assert total((Bucket(200, 1),), 1005, 20_000) == Bucket(200, 1)


def test_the_oldest_of_ten_buckets_counts_and_the_eleventh_does_not() -> None:
    window = (Bucket(20, 1), Bucket(21, 2, 4, 8), Bucket(30, 16, 32, 64))
    assert total(window, 10 * SECOND, 30_500) == Bucket(30, 18, 36, 72)
    assert total(window, 10 * SECOND, 29_500) == Bucket(29, 3, 4, 8)


def test_buckets_that_are_over_are_dropped_when_calls_are_counted() -> None:
    window = (Bucket(20, 1), Bucket(21, 1), Bucket(31, 1))
    assert counted(window, 10 * SECOND, Report(0, failed=1), 30_500) == (Bucket(21, 1), Bucket(30, 0, 1))
