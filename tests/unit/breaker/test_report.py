from orchestrator.breaker.report import told


def test_an_error_is_told_by_its_class_and_text() -> None:
    assert told(ConnectionResetError("by peer")) == "ConnectionResetError: by peer"


def test_a_secret_in_an_error_is_not_told() -> None:
    error = ValueError("redis://:hunter2@10.0.0.1/0 does not answer")
    assert told(error) == "ValueError: redis://:****@10.0.0.1/0 does not answer"


def test_what_a_terminal_would_obey_is_not_told() -> None:
    assert told(ValueError("\x1b[31m")) == "ValueError: \\x1b[31m"


def test_a_long_error_is_told_with_200_characters() -> None:
    assert told(ValueError("x" * 5000)) == "ValueError: " + "x" * 188


def test_an_error_that_has_no_text_is_told_all_the_same() -> None:
    class Silent(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert told(Silent()) == "Silent"
