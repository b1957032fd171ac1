"""apscheduler-di in an event loop: services are put into jobs by their annotations, handlers are added to events."""

import asyncio
import logging
from datetime import datetime, timedelta, timezone

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler_di import ContextSchedulerDecorator
from di_jobs import Tack, done, said, tick

logging.disable(logging.CRITICAL)


async def main():
    scheduler = ContextSchedulerDecorator(AsyncIOScheduler(timezone="UTC"))
    scheduler.ctx.add_instance(Tack(), Tack)
    scheduler.on_startup += lambda event, ctx: print("started", event.code)
    scheduler.on_shutdown += lambda event, ctx: print("ended", event.code)
    scheduler.on_job_error += lambda event, ctx: print("error", event.exception)
    first = datetime.now(timezone.utc) + timedelta(seconds=0.5)
    job = scheduler.add_job(
        tick, "interval", seconds=0.05, start_date=first, id="tick", kwargs={"some_argument": 5}
    )
    print(job.id, job.kwargs, job.pending)
    scheduler.start()
    await asyncio.wait_for(asyncio.to_thread(done.wait, 20), 30)
    print(set(said))
    print([(job.id, str(job.trigger), job.kwargs) for job in scheduler.get_jobs()])
    scheduler.reschedule_job("tick", trigger="interval", hours=1)
    scheduler.pause_job("tick")
    print(scheduler.get_job("tick").next_run_time)
    scheduler.remove_job("tick")
    print(scheduler.get_jobs())
    scheduler.shutdown()
    await asyncio.sleep(0.1)


asyncio.run(main())
