"""Shared stores of every kind that the tests know, by URL, and what they hold besides jobs."""

from __future__ import annotations

from contextlib import contextmanager

import sqlalchemy as sa
from tests.stores.test_work_counts import counted

from rapscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore

KINDS = ("sqlite", "postgresql", "mariadb", "redis")


def is_redis(url):
    return str(url).startswith("redis:")


def keys_of(name):
    """Of a Redis store; they would do in a cluster."""
    return {"jobs_key": f"{{{name}}}.jobs", "run_times_key": f"{{{name}}}.times"}


def make_store(url, name, **options):
    options = {"shared": True} | options
    if not is_redis(url):
        return SQLAlchemyJobStore(url, tablename=name, **options)
    from redis import Redis

    from rapscheduler.jobstores.redis import RedisJobStore

    return RedisJobStore(client=Redis.from_url(str(url)), **keys_of(name), **options)


def settings(url, name):
    """Of the store, as texts of a configuration."""
    if not is_redis(url):
        return {"type": "sqlalchemy", "url": str(url), "tablename": name}
    parsed = sa.engine.make_url(str(url))
    return {
        "type": "redis",
        "host": parsed.host,
        "port": str(parsed.port or 6379),
        "db": parsed.database or "0",
    } | keys_of(name)


def drop(url, name):
    """Remove all that such a store has made."""
    store = make_store(url, name)
    store._shared.drop()
    if is_redis(url):
        store.redis.delete(*store._keys, store._zones_key)
    else:
        store.jobs_t.drop(store.engine, checkfirst=True)
        store._zones.drop(store.engine)
    store.shutdown()


def runs_of(store):
    """Keys of the runs under way, whoever has them."""
    rows = store._shared
    if hasattr(store, "redis"):
        from rapscheduler.jobstores._redisscripts import id_of
        from rapscheduler.jobstores._redisshared import _runs

        found = store.redis.hgetall(rows._runs).items()
        return {(id_of(job_id), run.run_us) for job_id, lines in found for _, run in _runs(lines)}
    columns = rows.all_runs.c
    with store.engine.connect() as connection:
        return {tuple(key) for key in connection.execute(sa.select(columns.job_id, columns.run_us))}


def let_lapse(store, me):
    """The store has not heard of this scheduler for very long."""
    rows = store._shared
    if hasattr(store, "redis"):
        store.redis.hset(rows.heard_key, me.id, 1_000_000)
        return
    with store.engine.begin() as connection:
        connection.execute(
            rows.schedulers_t.update().where(rows.schedulers_t.c.id == me.id).values(heartbeat=1.0)
        )


@contextmanager
def asked(store):
    """What is asked of the server in the block: verbs of SQL and commits, or commands of Redis."""
    if not hasattr(store, "redis"):
        with counted(store.engine) as seen:
            yield seen
        return
    seen, client = [], store.redis
    plain = client.execute_command

    def execute_command(*arguments, **options):
        seen.append(arguments[0])
        return plain(*arguments, **options)

    client.execute_command = execute_command
    try:
        yield seen
    finally:
        del client.execute_command
