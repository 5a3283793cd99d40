import asyncio
import logging
from collections.abc import Callable

import httpx2
import pytest
from celery.exceptions import Ignore, Reject, Retry, SoftTimeLimitExceeded

from orchestrator.breaker.faults import Faults
from orchestrator.errors import BreakerOpen, InvalidArguments, ModelUnavailable, PermanentError, Wait
from orchestrator.retry.again import PutBack, Waiting

EVERYTHING = (BaseException,)


def _answered(status: int) -> Exception:
    request = httpx2.Request("GET", "http://127.0.0.1/")
    return httpx2.HTTPStatusError(
        "refused", request=request, response=httpx2.Response(status, request=request)
    )


@pytest.mark.parametrize(
    "error", [ConnectionResetError(), TimeoutError(), ModelUnavailable("busy"), KeyError("x")]
)
def test_an_error_of_a_call_is_a_failure(error: Exception) -> None:
    assert Faults().verdict(error) == "failure"


@pytest.mark.parametrize(
    "error",
    [
        Retry(),
        Ignore(),
        Reject(),
        PutBack(),
        Waiting(1),
        asyncio.CancelledError(),
        GeneratorExit(),
        KeyboardInterrupt(),
        SystemExit(),
        BreakerOpen("other"),
        Wait(1),
        PermanentError(),
        InvalidArguments("one too many"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_is_not_the_dependencys_fault_is_neutral_whatever_is_expected(error: BaseException) -> None:
    assert Faults(EVERYTHING).verdict(error) == "neutral"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_an_answer_that_refuses_a_request_is_neutral(status: int) -> None:
    assert Faults().verdict(_answered(status)) == "neutral"


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
def test_an_answer_of_a_service_in_trouble_is_a_failure(status: int) -> None:
    assert Faults().verdict(_answered(status)) == "failure"


def test_a_soft_limit_counts_or_does_not_as_the_policy_says() -> None:
    assert Faults().verdict(SoftTimeLimitExceeded()) == "failure"
    assert Faults(soft_limit_counts=False).verdict(SoftTimeLimitExceeded()) == "neutral"
    assert Faults(soft_limit_counts=False).verdict(OSError()) == "failure"


def test_what_is_not_expected_is_neutral() -> None:
    faults = Faults((ConnectionError, TimeoutError))
    assert faults.verdict(ConnectionResetError()) == "failure"
    assert faults.verdict(TimeoutError()) == "failure"
    assert faults.verdict(ValueError()) == "neutral"
    assert Faults(EVERYTHING).verdict(BaseException()) == "failure"
    assert Faults().verdict(BaseException()) == "neutral"


def test_what_is_excluded_is_neutral() -> None:
    faults = Faults(excluded=(KeyError, lambda error: "quota" in str(error)))
    assert faults.verdict(KeyError("x")) == "neutral"
    assert faults.verdict(OSError("over quota")) == "neutral"
    assert faults.verdict(OSError("over")) == "failure"


def test_one_class_or_function_needs_no_tuple() -> None:
    assert Faults(OSError).verdict(OSError()) == "failure"
    assert Faults(OSError).verdict(KeyError()) == "neutral"
    assert Faults(excluded=OSError).verdict(OSError()) == "neutral"
    assert Faults(lambda error: error.args == (1,)).verdict(OSError(1)) == "failure"
    assert Faults([OSError]).verdict(OSError()) == "failure"


def test_a_group_of_errors_is_a_failure_where_one_of_them_is() -> None:
    neutral = ExceptionGroup("two", [_answered(404), PermanentError()])
    assert Faults().verdict(neutral) == "neutral"
    assert Faults().verdict(ExceptionGroup("two", [neutral, OSError()])) == "failure"
    assert Faults(excluded=ExceptionGroup).verdict(ExceptionGroup("one", [OSError()])) == "neutral"


def test_a_function_that_fails_says_nothing_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def broken(error: BaseException) -> bool:
        raise RuntimeError("broken")

    with caplog.at_level(logging.ERROR):
        assert Faults(excluded=broken).verdict(OSError()) == "failure"
    assert caplog.messages == ["whether a circuit breaker counts OSError could not be asked"]
    assert caplog.records[0].exc_info is not None


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: Faults(int),  # type: ignore[arg-type]
            "expected must be classes of errors, or functions of an error, not <class 'int'>",
        ),
        (
            lambda: Faults(excluded=[OSError, "x"]),  # type: ignore[list-item]
            "excluded must be classes of errors, or functions of an error, not 'x'",
        ),
        (
            lambda: Faults((None,)),  # type: ignore[arg-type]
            "expected must be classes of errors, or functions of an error, not None",
        ),
    ],
)
def test_what_is_no_kind_of_error_is_refused(make: Callable[[], Faults], sentence: str) -> None:
    with pytest.raises(TypeError) as refused:
        make()
    assert str(refused.value) == sentence
