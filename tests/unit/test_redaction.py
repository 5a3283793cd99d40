import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import redaction


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("redis://:hunter2@host:6379/0", "redis://:****@host:6379/0"),
        ("cannot reach postgresql://me:hunter2@h/d today", "cannot reach postgresql://me:****@h/d today"),
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("https://h/v1?api_key=hunter2&x=1", "https://h/v1?api_key=****&x=1"),
        ('{"api_key": "hunter2", "model": "m"}', '{"api_key": "****", "model": "m"}'),
    ],
)
def test_secrets_in_a_text_are_masked(shown: str, expected: str) -> None:
    assert redaction.text(shown) == expected


def test_a_setting_named_like_a_secret_is_masked_whole() -> None:
    assert redaction.setting("SOME_API_KEY", "hunter2") == "****"


@given(st.text(alphabet=st.characters(codec="ascii", categories=["L", "N"]), min_size=4))
def test_no_password_of_a_url_survives(password: str) -> None:
    assert f":{password}@" not in redaction.text(f"amqp://user:{password}@host/")
