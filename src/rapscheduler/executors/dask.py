"""The executor that hands runs to a Dask cluster.

Here: `DaskExecutor`, its side and its function on the workers. Not here: what becomes of a run (`_distant`), how the
call is made (`_wire`).

A run is one task, never shared with another (`pure=False`, a key of its own). Dask makes a task again when its worker
died, or when its worker dies before the result was fetched; a run must not be made again behind the back of
`max_instances`, so its first call raises a flag at Dask's scheduler (a `distributed.Event`), and a second one ends at
it, as lost. So does a run that was cancelled before it began, for then the flag is raised by us; one that a worker
makes is told there to end. The flag is taken down when the end was heard of. Dask's own thread for callbacks tells of
ends. Where jobs have a ``timeout``, or the executor a `result_timeout`, one thread of ours looks for what is overdue.
"""

from __future__ import annotations

import threading
from collections import deque
from time import monotonic
from typing import Any
from uuid import uuid4

from rapscheduler._quoting import said
from rapscheduler._serialization.callables import CallableRule
from rapscheduler.errors import log_line
from rapscheduler.executors._distant import DistantExecutor, Errand
from rapscheduler.executors._wire import Order, dumps, end_here, loads

try:
    from distributed import Client, Event, get_client, get_worker
    from distributed.utils import LoopRunner
except ImportError as exc:
    raise ImportError("DaskExecutor requires Dask installed: pip install rapscheduler[dask]") from exc

__all__ = ("DaskExecutor",)

CONNECT_S = 10.0
_PAUSE_S = 1.0  # after the cluster did not answer
_PEEK_S = 0.25
_SETTING = "rapscheduler.allowed-callables"
_of_parents: list[Any] = []  # clients that a forked child has inherited


class DaskExecutor(DistantExecutor):
    """Runs jobs on the workers of a Dask cluster, which need rapscheduler and the jobs' modules.

    A run is lost (an error event with `LostRunError`) when its worker dies, when Dask's scheduler does, or when
    `result_timeout` is over; its place of ``max_instances`` is free then.

    Plugin alias: ``dask``

    :param address_or_client: the address of Dask's scheduler (``"tcp://host:8786"``), or a `distributed.Client`, which
        stays open; not an asynchronous one
    :param result_timeout: how many seconds after it was sent the end of a run is waited for, the time in Dask's queue
        included (`None`: as long as it takes)
    :param submit_options: for `Client.submit`: ``resources``, ``workers``, ``priority``…
    """

    takes_any_thread = True
    _engine = "Dask"

    def __init__(
        self,
        address_or_client: Any,
        *,
        result_timeout: float | None = None,
        submit_options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(result_timeout)
        if not isinstance(address_or_client, (str, Client)):
            raise TypeError(
                f"address_or_client={address_or_client!r} is neither: give the address of Dask's scheduler, such as "
                "'tcp://host:8786', or a distributed.Client"
            )
        if isinstance(address_or_client, Client) and address_or_client.asynchronous:
            raise TypeError(
                f"{address_or_client!r} is asynchronous, and runs are sent from any thread; give the address of its "
                "scheduler"
            )
        self._given: Any = address_or_client
        self._client: Any = None
        self._loop: Any = None
        self._options = {"pure": False, "retries": 0, **(submit_options or {})}
        self._down_until_s, self._down_why = 0.0, ""
        self._futures: dict[str, Any] = {}
        self._topic = f"rapscheduler-{uuid4().hex}"
        self._told: deque[str] = deque()  # by workers, about runs under way
        self._thread: threading.Thread | None = None
        self._end = threading.Event()

    def _connected(self) -> Any:
        client = self._client
        if client is not None and client.status in ("running", "connecting"):
            return client
        if isinstance(self._given, Client):
            if self._given.status not in ("running", "connecting"):
                raise ConnectionError(f"{self._given!r} was closed; give an open one, or an address")
            self._client = self._given
        else:
            if self._loop is None:
                # A client that finds nobody would leave the thread of a loop of its own behind.
                self._loop = LoopRunner()
                self._loop.start()
            options = {"set_as_default": False, "timeout": CONNECT_S, "loop": self._loop.loop}
            self._client = Client(self._given, **options)
        self._client.subscribe_topic(self._topic, lambda event: self._told.append(event[1]))
        return self._client

    def _reply(self) -> Any:
        return self._topic

    def _send(self, errand: Errand, text: str) -> None:
        if monotonic() < self._down_until_s:
            raise ConnectionError(f"Dask's scheduler did not answer a moment ago: {self._down_why}")
        run_id = errand.id
        try:
            client = self._connected()
            if client.status != "running":
                raise ConnectionError(f"{client!r} has no connection to Dask's scheduler")
            future = client.submit(run_text, text, key=f"rapscheduler-{run_id}", **self._options)
        except Exception as exc:
            self._down_why, self._down_until_s = said(exc), monotonic() + _PAUSE_S
            raise
        self._futures[run_id] = future
        watched = self._result_timeout_s is not None or errand.order["timeout_s"] is not None
        if watched and self._thread is None:
            self._end = threading.Event()
            self._thread = threading.Thread(
                target=self._watch, args=(self._end,), name="rapscheduler-dask", daemon=True
            )
            self._thread.start()
        future.add_done_callback(lambda done: self._ended(run_id, done))

    def _ended(self, run_id: str, future: Any) -> None:
        """Called in Dask's thread for callbacks, when a future has ended in any way."""
        if run_id not in self._errands:
            self._drop(run_id)
            return
        try:
            text = future.result(timeout=CONNECT_S)
        except BaseException as exc:
            self._lose(run_id, f"{type(exc).__name__}: {said(exc)}")
            return
        self._drop(run_id)
        self._hear(text)

    def _drop(self, run_id: str) -> None:
        future = self._futures.pop(run_id, None)
        if future is None:
            return
        client = future.client
        try:
            if not future.done():
                future.cancel()
            else:
                future.release()
            if client.status == "running":
                client.loop.add_callback(_take_down, client, run_id)
        except Exception as exc:  # the connection is gone, and with it what was to be let go
            log_line(self._logger.debug, "Could not let go of run %s: %s", run_id, said(exc))

    def _revoke(self, errand: Errand) -> None:
        future = self._futures.get(errand.id)
        if future is None:
            return  # it is being sent, and looked at again then
        Event(_flag(errand.id), client=future.client).set()  # whoever comes to it leaves it
        future.client.run(end_here, errand.id, on_error="ignore")

    def _watch(self, end: threading.Event) -> None:
        while not end.wait(_PEEK_S):
            while self._told:
                self._hear(self._told.popleft())
            self._sweep()

    def _ended_here(self) -> bool:
        here = threading.current_thread()
        return here is self._thread or here.name.startswith("Dask-Callback-Thread")

    def _close(self) -> None:
        self._end.set()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(CONNECT_S)

    def _give_up(self) -> None:
        super()._give_up()
        client, self._client = self._client, None
        loop, self._loop = self._loop, None
        try:
            if client is not None and client is self._given:
                client.unsubscribe_topic(self._topic)
            elif client is not None:
                client.close(timeout=CONNECT_S)
            if loop is not None:
                loop.loop.add_callback(loop.loop.stop)  # its own stop() counts the clients that found nobody
        except Exception as exc:
            log_line(self._logger.warning, "The connection to Dask could not be closed: %s", said(exc))

    def _leave_parent(self) -> None:
        super()._leave_parent()
        _of_parents.append((self._client, self._loop, self._futures, self._thread))
        self._client, self._loop, self._thread, self._futures = None, None, None, {}


async def _take_down(client: Any, run_id: str) -> None:
    try:
        await client.scheduler.event_clear(name=_flag(run_id))
    except Exception:  # Dask's scheduler is gone, and its flags
        pass


def _flag(run_id: str) -> str:
    return f"rapscheduler-begun-{run_id}"


def run_text(text: str) -> str:
    """What a Dask worker does with a run: make its call once, and give back the text of its end.

    Which callables may be named is told by the worker's own Dask configuration, ``rapscheduler.allowed-callables`` (a
    list as for job stores; anything, where it is not set).
    """
    import dask

    worker = get_worker()
    order = Order(loads(text), CallableRule(dask.config.get(_SETTING, None)))
    flag = Event(_flag(order.passport.id), client=get_client())
    if flag.is_set():
        reason = "it was begun before, by a worker that is gone, or was cancelled"
        return dumps({"kind": "lost", "id": order.passport.id, "reason": reason})
    flag.set()

    def tell(told: str) -> None:
        if loads(told)["kind"] == "overdue":
            worker.log_event(order.reply, told)

    return order.perform(tell)
