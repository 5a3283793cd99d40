"""Messages as other programs write them."""

import json

import pytest

from orchestrator.transport.envelope import decode


@pytest.mark.parametrize("headers", [{}, {"headers": None}])
def test_a_message_of_the_older_format_may_go_without_headers(headers: dict[str, None]) -> None:
    message = {"body": "", "properties": {"delivery_tag": "1", "delivery_info": {}}, **headers}

    assert decode(json.dumps(message).encode())["headers"] == {}
