"""Clients that a Redis store is given: of a cluster, decoding, asynchronous; and sharing is free when it is off."""

from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
import time

import pytest
import redis
from tests.stores import servers
from tests.stores.shared_stores import keys_of
from tests.stores.test_conformance_servers import fresh_name

from rapscheduler._serialization.rows import RowChange
from rapscheduler.events import EVENT_JOB_EXECUTED
from rapscheduler.jobstores._shared import ClaimRow, Me, Refused
from rapscheduler.jobstores.redis import RedisJobStore
from rapscheduler.schedulers.background import BackgroundScheduler
from rapscheduler.testing import ManualScheduler
from rapscheduler.testing.stores import JobStoreConformance, noop


def until(condition, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def cluster_port(tmp_path_factory):
    """A cluster of one node, which refuses keys of several slots as any other."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server isn't installed")
    folder, port = tmp_path_factory.mktemp("cluster"), servers.free_port()
    if port > 55_000:  # the bus of a cluster is 10,000 ports further up
        port -= 20_000
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""]
    process = subprocess.Popen([*command, "--cluster-enabled", "yes"], stdout=subprocess.DEVNULL)
    try:
        until(lambda: servers.listens(port))
        with redis.Redis(port=port) as node:
            node.execute_command("CLUSTER", "ADDSLOTS", *range(16384))
            until(lambda: "cluster_state:ok" in str(node.execute_command("CLUSTER", "INFO")))
        yield port
    finally:
        process.kill()
        process.wait()


class TestCluster(JobStoreConformance):
    keeps_rows = True

    @pytest.fixture(autouse=True)
    def keys(self, cluster_port):
        self.port, self.name = cluster_port, fresh_name()

    def make_store(self, **options):
        client = redis.RedisCluster(host="127.0.0.1", port=self.port)
        return RedisJobStore(client=client, **keys_of(self.name), **options)

    reopen = make_store

    def test_keys_without_a_common_tag_are_refused_with_the_cure(self):
        client = redis.RedisCluster(host="127.0.0.1", port=self.port)
        with pytest.raises(ValueError, match=r"hash tag, such as jobs_key='\{apscheduler\}\.jobs'"):
            RedisJobStore(client=client)
        with pytest.raises(ValueError, match="without it"):
            decoding = redis.RedisCluster(host="127.0.0.1", port=self.port, decode_responses=True)
            RedisJobStore(client=decoding, **keys_of(self.name))

    def test_shutdown_ends_the_connections(self):
        store = self.make_store()
        with redis.Redis(port=self.port) as node:
            store.redis.client_setname("store", target_nodes=redis.RedisCluster.ALL_NODES)
            store.get_all_jobs()
            assert any(client["name"] == "store" for client in node.client_list())
            store.shutdown()
            until(lambda: not any(client["name"] == "store" for client in node.client_list()))

    def test_tags_are_found_by_the_index(self):
        store = self.make_store()
        scheduler = BackgroundScheduler(timezone="UTC", jobstores={"default": store})
        scheduler.start(paused=True)
        for number in range(5):
            scheduler.add_job(noop, "cron", hour=7, id=f"job{number}", tags={"all", f"{{n{number % 2}}}"})
        store.redis.delete(*store._keys[-2:])
        assert [job.id for job in scheduler.get_jobs(tag=["{n1}", "all"])] == ["job1", "job3"]
        assert store.redis.exists(store._keys[-2])
        scheduler.shutdown()

    def test_it_can_be_shared(self):
        ran, schedulers = [], []
        for _ in range(2):
            store = self.make_store(shared=True, lease=5)
            schedulers.append(BackgroundScheduler(timezone="UTC", jobstores={"default": store}))
            schedulers[-1].add_listener(lambda event: ran.append(event.job_id), EVENT_JOB_EXECUTED)
            schedulers[-1].start()
        for number in range(20):
            schedulers[0].add_job(noop, "date", id=f"job{number:02}", misfire_grace_time=None)
        until(lambda: len(ran) >= 20)
        assert len(schedulers[1].peers()) == 2
        for scheduler in schedulers:
            scheduler.shutdown()
        assert sorted(ran) == [f"job{number:02}" for number in range(20)]


@pytest.fixture
def url(server_url):
    return server_url("redis")


@pytest.fixture
def name(url):
    name = fresh_name()
    yield name
    with redis.Redis.from_url(url) as client:
        for key in client.scan_iter(f"*{name}*"):
            client.delete(key)


@pytest.mark.parametrize("kind", ["client", "blocking pool", "settings"])
def test_a_decoding_client_does_not_stop_at_rows_that_are_no_text(url, name, kind):
    if kind == "settings":
        place = redis.Redis.from_url(url).connection_pool.connection_kwargs
        where = {key: place[key] for key in ("host", "port", "db")}
        store = RedisJobStore(**where, decode_responses=True, **keys_of(name))
    else:
        pool = redis.ConnectionPool if kind == "client" else redis.BlockingConnectionPool
        given = redis.Redis(connection_pool=pool.from_url(url, decode_responses=True))
        given.set(f"{name}.own", "text")
        store = RedisJobStore(client=given, **keys_of(name))
    with redis.Redis.from_url(url) as raw:
        raw.hset(store.jobs_key, "old", pickle.dumps({"version": 1, "args": (b"\xff\xfe",)}))
        raw.zadd(store.run_times_key, {"old": 1.0})
    ran = []
    with ManualScheduler(jobstores={"default": store}) as scheduler:
        scheduler.add_listener(lambda event: ran.append(event.job_id), EVENT_JOB_EXECUTED)
        scheduler.add_job(noop, "interval", seconds=5, id="new")
        scheduler.advance(11)
        assert [(one.job_id, "pickle" in one.reason) for one in scheduler.get_parked_jobs()] == [
            ("old", True)
        ]
        assert [job.id for job in scheduler.get_jobs()] == ["new"]
    assert ran == ["new", "new"]
    if kind != "settings":
        assert given.get(f"{name}.own") == "text"  # the user's client is as it was


def test_an_asynchronous_client_is_refused_with_the_cure():
    import redis.asyncio

    for client in (redis.asyncio.Redis(), redis.asyncio.RedisCluster(host="127.0.0.1", port=1)):
        with pytest.raises(TypeError, match=r"asynchronous, .* give a redis\.Redis"):
            RedisJobStore(client=client)


def test_a_store_that_is_not_shared_makes_no_keys_and_starts_no_thread(url, name):
    store = RedisJobStore(client=redis.Redis.from_url(url), **keys_of(name))
    scheduler = BackgroundScheduler(jobstores={"default": store})
    scheduler.start()
    scheduler.add_job(noop, "date", run_date="2100-01-01")
    assert store._shared is store._claims is None
    keys = {key.decode().rpartition(".")[2] for key in store.redis.scan_iter(f"*{name}*")}
    assert keys <= {"jobs", "times", "zones", "open"}
    scheduler.shutdown()


def test_modules_of_claims_are_not_imported_by_a_store_that_is_not_shared():
    program = (
        "import sys; from rapscheduler.jobstores.redis import RedisJobStore; RedisJobStore(); "
        "assert not [m for m in sys.modules if m.endswith(('_redisshared', '_redisclaims', '.keeper'))]"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_an_old_server_is_refused_with_the_cure(url, name, monkeypatch):
    store = RedisJobStore(client=redis.Redis.from_url(url), shared=True, **keys_of(name))
    monkeypatch.setattr(store.redis, "info", lambda section: {"redis_version": "4.0.14"})
    with pytest.raises(RuntimeError, match=r"needs Redis 5\.0 or newer, and this is 4\.0\.14"):
        store._open(write=True)


DUE_US = 1_767_225_600_000_000


def test_what_was_done_before_an_answer_was_lost_is_not_done_twice(url, name):
    """Each script is sent again when its connection breaks, by redis-py or by the store."""
    store = RedisJobStore(client=redis.Redis.from_url(url), shared=True, lease=5, **keys_of(name))
    rows, losses = store._shared, []

    def losing(script):
        def call(**options):
            answer = script(**options)
            if script not in losses:  # the first time of each
                losses.append(script)
                raise redis.exceptions.ConnectionError("lost")
            return answer

        return call

    rows._scripts = {text: losing(script) for text, script in rows._scripts.items()}
    me, other = Me(5), Me(5)
    with ManualScheduler() as scheduler:
        store.start(scheduler, "shelf")
        for number in range(3):
            job = scheduler.add_job(noop, "date", run_date="2026-01-01 00:00:00+00:00", id=f"job{number}")
            store.add_job(job)
        rows.join(me)
        rows.join(other)
        taken = rows.take(me, DUE_US, 10)
        claims = [
            ClaimRow(RowChange(row.id, DUE_US, None, None, True, None), DUE_US, DUE_US, 1) for row in taken
        ]
        assert rows.claim(me, claims, []) == Refused()
        keys = [(f"job{number}", DUE_US) for number in range(3)]
        assert sorted(rows.own(me)) == keys
        assert rows.peers()[1][0].running + rows.peers()[1][1].running == 3
        rows.write(me, keys[:1], [(keys[1], DUE_US, "")])
        assert rows.own(me) == keys[2:]
        rows.leave(me)
        assert rows.take_over(other, me.id, me.epoch) == []
        assert rows.own(other) == keys[2:]  # the keeper finds those whose answer was lost
        assert [run.data is not None for run in rows.read(keys[2:])] == [True]
        assert rows.has_news()
        assert [run[:2] for run in rows.take_over(other, "", 0)] == keys[1:2]
        assert sorted(rows.own(other)) == keys[1:]
        rows.write(other, keys[1:], [])
        left = {key.decode() for key in store.redis.scan_iter(f"*{name}*")}
        assert not [key for key in left if ".runs" in key or ".taken" in key]
        assert rows.peers()[1][0].running == 0
    assert len(losses) >= 7
    store.shutdown()
