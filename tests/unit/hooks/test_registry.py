"""Which handlers a hook calls."""

from collections.abc import Callable
from typing import Any

import pytest

from tasks.hooks import Hook, HookEvent, on
from tasks.hooks.registry import handlers_for


@pytest.fixture(autouse=True)
def _empty_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.hooks.registry._registrations", {})


def _called(name: str) -> list[Any]:
    return [registration.handler for registration in handlers_for(name)]


def test_a_pattern_calls_its_handler_for_the_names_that_it_matches() -> None:
    @on("github.issues.*")
    def handler(event: HookEvent, hook: Hook) -> None: ...

    assert _called("github.issues.opened") == [handler]
    assert _called("github.issues") == []
    assert _called("github.issues_x.opened") == []
    assert _called("GitHub.issues.opened") == []


def test_handlers_are_called_in_the_order_of_their_registration() -> None:
    @on("*")
    def second(event: HookEvent, hook: Hook) -> None: ...

    @on("github.push")
    def first(event: HookEvent, hook: Hook) -> None: ...

    assert _called("github.push") == [second, first]


def test_a_handler_with_several_matching_patterns_is_called_once() -> None:
    @on("github.push", "github.*")
    @on("*")
    def handler(event: HookEvent, hook: Hook) -> None: ...

    assert _called("github.push") == [handler]
    assert _called("shop.order") == [handler]


SOURCE = """
from tasks.hooks import on

@on("github.push")
def _(event, hook): ...

@on("github.push")
def _(event, hook): ...
"""


def test_a_reloaded_module_counts_once() -> None:
    code = compile(SOURCE, "module.py", "exec")
    spaces: list[dict[str, Any]] = [{"__name__": "users_module"}, {"__name__": "users_module"}]
    for space in spaces:
        exec(code, space)  # noqa: S102 (what a reload does)
    called = _called("github.push")
    assert len(called) == 2
    assert called[1] is spaces[1]["_"]


def test_functions_made_by_one_factory_are_different_handlers() -> None:
    def make() -> Callable[[HookEvent, Hook], None]:
        @on("github.push")
        def handler(event: HookEvent, hook: Hook) -> None: ...

        return handler

    assert _called("github.push") == [] != [make(), make()]
    assert len(_called("github.push")) == 2


def test_an_object_can_be_a_handler() -> None:
    class Handler:
        def __call__(self, event: HookEvent, hook: Hook) -> None: ...

    handler = on("github.push")(Handler())
    assert _called("github.push") == [handler]
    assert handlers_for("github.push")[0].name.endswith("Handler")


@pytest.mark.parametrize(
    ("patterns", "error", "sentence"),
    [
        ((), ValueError, "found none"),
        (("",), ValueError, "'' matches no hook"),
        ((" ",), ValueError, "' ' matches no hook"),
        (("issues",), ValueError, "'issues' matches no hook: a name begins with its source"),
        (("issues.opened",), ValueError, 'did you mean "github.issues.opened"'),
        (("github.push", "push.*"), ValueError, 'did you mean "github.push.*"'),
        ((5,), TypeError, "found 5"),
        ((None,), TypeError, "found None"),
    ],
)
def test_a_pattern_that_can_never_match_is_refused_at_once(
    patterns: tuple[Any, ...], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        on(*patterns)


def test_forgotten_parentheses_are_refused_at_once() -> None:
    forgetful: Any = on
    with pytest.raises(TypeError, match="takes patterns"):

        @forgetful  # type: ignore[untyped-decorator]
        def handler(event: HookEvent, hook: Hook) -> None: ...


async def _coroutine(event: HookEvent, hook: Hook) -> None: ...


@pytest.mark.parametrize("handler", [5, None, _coroutine])
def test_what_is_no_plain_function_is_no_handler(handler: Any) -> None:
    register: Any = on("github.push")
    with pytest.raises(TypeError, match="decorates a plain function; found"):
        register(handler)
