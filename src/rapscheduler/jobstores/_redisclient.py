"""The client of a Redis store: which ones will do, without decoding, and how they are closed.

Here: what is asked of a client before anything is stored. Not here: keys, scripts.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any


def checked(client: Any, keys: Sequence[str]) -> Any:
    """The client to be used for these keys: this one, or one on the same server that does not decode responses.

    TypeError: an asynchronous one. ValueError: a cluster's with keys of several slots, or one that decodes.
    """
    if ".asyncio" in type(client).__module__:
        raise TypeError(
            f"client={type(client).__module__}.{type(client).__qualname__} is asynchronous, and a job store is asked "
            "from threads, also by AsyncIOScheduler: give a redis.Redis (or redis.cluster.RedisCluster) of the same "
            "server"
        )
    if is_cluster(client):
        _check_slots(client, keys)
        if _decodes(client.get_encoder()):
            raise ValueError(
                "decode_responses=True of a RedisCluster would end in an error at the first row that is no text, as "
                "those of APScheduler: give the store a client of its own, without it"
            )
        return client
    pool = getattr(client, "connection_pool", None)
    if pool is None or not getattr(pool, "connection_kwargs", {}).get("decode_responses"):
        return client
    return _undecoding(client, pool)


def is_cluster(client: Any) -> bool:
    return hasattr(client, "keyslot") and hasattr(client, "nodes_manager")


def _decodes(encoder: Any) -> bool:
    return bool(getattr(encoder, "decode_responses", False))


def _check_slots(client: Any, keys: Sequence[str]) -> None:
    if len({client.keyslot(key) for key in keys}) > 1:
        raise ValueError(
            f"a cluster needs all keys of a store in one slot, and {keys[0]!r} and {keys[1]!r} are in different "
            "ones: give both the same hash tag, such as jobs_key='{apscheduler}.jobs' and "
            "run_times_key='{apscheduler}.run_times'"
        )


def _undecoding(client: Any, pool: Any) -> Any:
    """A client with a pool of its own on the same server: rows may be bytes that are no text."""
    own = copy.copy(pool)
    own.connection_kwargs = {**pool.connection_kwargs, "decode_responses": False}
    own.reset()
    made = type(client)(connection_pool=own)
    made._rapscheduler_given = client  # which keeps what the pools share alive
    return made


def close(client: Any) -> None:
    """Disconnect; the client connects again when it is used again."""
    if is_cluster(client):
        for node in client.get_nodes():
            if node.redis_connection is not None:
                node.redis_connection.connection_pool.disconnect()
        return
    client.connection_pool.disconnect()
