"""Holds an operation's input and options against what it takes, and says what is allowed."""

from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from orchestrator.errors import InvalidModelInput
from tasks.models.requests import OPERATIONS, Request

_SHOWN_ERRORS = 3


def parse(operation: str, input: Any, options: dict[str, Any] | None = None) -> Request:  # noqa: A002
    """The request, typed and bounded; NUL and lone surrogates in its texts are replaced by U+FFFD.

    Raises:
        InvalidModelInput: saying what is wrong where, and what the operation takes.
    """
    kind = OPERATIONS.get(operation) if isinstance(operation, str) else None
    if kind is None:
        raise InvalidModelInput(_unknown(operation))
    try:
        return kind.model_validate({"input": input, "options": {} if options is None else options})
    except ValidationError as error:
        # Not chained: pydantic's own text would show the input.
        raise InvalidModelInput(f"{operation} takes {kind.takes}; {_explain(error)}") from None


def _unknown(operation: Any) -> str:
    names = ", ".join(OPERATIONS)
    near = get_close_matches(operation, OPERATIONS, 1) if isinstance(operation, str) else []
    suggestion = f" (did you mean {near[0]!r}?)" if near else ""
    return f"there is no operation {repr(operation)[:100]}{suggestion}: the operations are {names}"


def _explain(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    shown = [
        f"{'.'.join(str(part) for part in each['loc'])}: {each['msg'].removeprefix('Value error, ')}"
        for each in found[:_SHOWN_ERRORS]
    ]
    more = len(found) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more else "")
