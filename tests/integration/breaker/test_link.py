"""The push link, over and over again."""

import redis
from redis import Redis

from orchestrator.breaker.link import Link, client
from tests.own_redis import OwnRedis


def test_a_link_can_be_made_however_often_one_was_lost(server: OwnRedis) -> None:
    url = f"redis://127.0.0.1:{server.port}/0"
    with client(url) as asking:
        for _ in range(150):
            _lose(asking)

        link = Link(asking, "transitions")
        link.open()
        assert server.client.pubsub_numsub("transitions") == [("transitions", 1)]
        link.close()


def _lose(asking: Redis) -> None:
    link = Link(asking, "transitions")
    try:
        link.open()
        link.interrupt()
    except redis.ConnectionError:
        pass
    finally:
        link.close()
