import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import redaction


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("redis://:LEAK@host:6379/0", "redis://:****@host:6379/0"),
        ("redis://LEAK@host", "redis://****@host"),
        ("redis://:pa/LEAK@host", "redis://:****@host"),
        ("amqp://u:p@LEAK@host/v", "amqp://u:****@host/v"),
        ("cannot reach postgresql://me:LEAK@h/d today", "cannot reach postgresql://me:****@h/d today"),
        ("https://token-LEAK@host/path", "https://****@host/path"),
        ("https://h/v1?api_key=LEAK&x=1", "https://h/v1?api_key=****&x=1"),
        ("host=h password=LEAK user=me", "host=h password=**** user=me"),
        ("password='LE AK' user=me", "password=**** user=me"),
        ('{"api_key": "LEAK", "model": "m"}', '{"api_key": "****", "model": "m"}'),
        (r'{"api_key": "ab\"LEAK", "model": "m"}', '{"api_key": "****", "model": "m"}'),
        ("{'api_key': 'LEAK', 'model': 'm'}", "{'api_key': '****', 'model': 'm'}"),
        ('{"my_token" : "LEAK', '{"my_token" : "****'),
        ("Authorization: Bearer LEAK.x-y", "Authorization: Bearer ****"),
        ("authorization: basic TEVBSw==", "authorization: basic ****"),
        ("password: LEAK", "password: ****"),
        ("X-Api-Key: LEAK", "X-Api-Key: ****"),
        ("mysql --password LEAK --host h", "mysql --password **** --host h"),
        ("AWS_SECRET_ACCESS_KEY=LEAK", "AWS_SECRET_ACCESS_KEY=****"),
        ("client_secret='LE AK'", "client_secret=****"),
        ("Cookie: session=LEAK; path=/", "Cookie: ****"),
        ("it was ghp_LEAKLEAKLEAKLEAK1234", "it was ****"),
        ("it was sk-proj-LEAKLEAKLEAKLEAK", "it was ****"),
        ("it was AKIALEAKLEAKLEAKLEAK", "it was ****"),
        ("it was eyJLEAKLEAKLEAK.eyJLEAKLEAKLEAK.LEAKLEAK", "it was ****"),
    ],
)
def test_secrets_in_a_text_are_masked(shown: str, expected: str) -> None:
    assert redaction.text(shown) == expected


@pytest.mark.parametrize(
    "shown",
    [
        "redis://host:6379/0",
        "postgresql://me@host/database",
        "see https://medium.com/@ann/post and mail bob@example.org",
        '{"monkey": "banana", "model": "m"}',
        "the key to it: patience",
        "12:30:01 all is well",
        "max_tokens=100 input_tokens: 3 tokenizer=words",
        "unexpected token at line 3, task-id: 3, secretary=Ann",
    ],
)
def test_what_is_no_secret_stays(shown: str) -> None:
    assert redaction.text(shown) == shown


def test_a_setting_named_like_a_secret_is_masked_whole() -> None:
    assert redaction.setting("SOME_API_KEY", "hunter2") == "****"


@given(st.text(alphabet=st.characters(codec="ascii", categories=["L", "N"]), min_size=4))
def test_no_password_of_a_url_survives(password: str) -> None:
    assert f":{password}@" not in redaction.text(f"amqp://user:{password}@host/")


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "piece",
    [
        "a",
        '"keykey',
        "'token': '",
        "x=",
        "redis://",
        "password=",
        "a:@",
        '\\"',
        "bearer ",
        "cookie: ",
        "eyJaaaaaaaa.",
        "-token",
    ],
)
def test_a_long_text_takes_no_longer_than_it_is_long(piece: str) -> None:
    long = piece * (1_000_000 // len(piece))

    assert len(redaction.text(long)) > 0
