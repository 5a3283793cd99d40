"""What stands in for an exception that cannot be pickled: one of the same name that says the same.

Celery goes on with the nearest base class that can be pickled, without its text: an HTTP error becomes
`OSError()`, in the result, in the letter, and in what the message tells of its failures.
"""

from __future__ import annotations

import pickle
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple, cast

from celery import exceptions
from celery.app import trace
from celery.utils.serialization import find_pickleable_exception

from orchestrator.deadletter.letter import message_of

# On a stand-in, in the process that raised: what it stands in for.
_ORIGINAL = "_omninode_original"
# On a stand-in: its Account.
_ACCOUNT = "_omninode_account"
# What we note on exceptions goes along.
_OURS = "omninode_"


def portable(error: Any) -> Any:
    """The exception itself where it can be pickled; else an exception of a class of the same name and text.

    It is an instance of the nearest base class that can be, so that `except OSError` still catches it.
    """
    with suppress(Exception):
        pickle.loads(pickle.dumps(error))  # noqa: S301 (made in this line)
        return error
    return _stand_in(error)


def original(error: BaseException) -> BaseException:
    """What was raised, where this stands in for it and the process is the one that raised."""
    return cast("BaseException", vars(error).get(_ORIGINAL, error))


def register() -> None:
    """Have Celery tell of exceptions in this way: of failures, and of what retries are for."""
    trace.get_pickleable_exception = portable
    exceptions.get_pickleable_exception = portable  # type: ignore[attr-defined]


class Account(NamedTuple):
    """All that a stand-in is made of, in whichever process."""

    module: str
    qualname: str
    base: type[Exception]
    base_args: tuple[Any, ...]
    text: str
    noted: dict[str, Any]


def made(account: Account) -> Exception:
    """The stand-in that is told of like this."""
    base: Any = account.base
    error: Exception = _class(account.module, account.qualname, base)(*account.base_args)
    error.args = (account.text,)
    vars(error).update(account.noted, **{_ACCOUNT: account})
    return error


def _stand_in(error: Exception) -> Exception:
    kind, nearest = type(error), find_pickleable_exception(error)
    base, args = (type(nearest), nearest.args) if nearest else (Exception, ())
    account = Account(kind.__module__, kind.__qualname__, base, args, message_of(error), _noted(error))
    instead = made(account)
    instead.__cause__, instead.__context__ = error.__cause__, error.__context__
    instead.__suppress_context__ = error.__suppress_context__
    setattr(instead, _ORIGINAL, error)
    return instead.with_traceback(error.__traceback__)


@lru_cache(maxsize=256)
def _class(module: str, qualname: str, base: Any) -> Any:
    body = {"__module__": module, "__qualname__": qualname, "__str__": _text, "__reduce__": _reduced}
    return type(qualname.rpartition(".")[2], (base,), body)


def _text(error: Exception) -> str:
    return str(error.args[0])


def _reduced(error: Exception) -> Any:
    account: Account = vars(error)[_ACCOUNT]
    return made, (account._replace(noted=_noted(error)),)


def _noted(error: Exception) -> dict[str, Any]:
    return {name: value for name, value in vars(error).items() if name.startswith(_OURS)}
