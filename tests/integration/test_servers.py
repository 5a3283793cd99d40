from contextlib import ExitStack
from typing import TYPE_CHECKING

from orchestrator import redis
from tests.servers import clean_redis

if TYPE_CHECKING:
    from orchestrator.dev.stack import Addresses


def test_runs_that_share_a_server_do_not_wipe_each_others_redis(stack: "Addresses") -> None:
    with ExitStack() as runs:
        urls = []
        for _ in range(3):
            urls.append(runs.enter_context(clean_redis(stack.redis_url)))
            redis.connect(urls[-1]).set("mine", urls[-1])

        assert [redis.connect(url).get("mine") for url in urls] == urls


def test_a_redis_database_is_free_again_afterwards(stack: "Addresses") -> None:
    for _ in range(30):  # a server has 15 besides the one that says which are taken
        with clean_redis(stack.redis_url):
            pass
