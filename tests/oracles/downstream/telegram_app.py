"""python-telegram-bot's job queue as its documentation shows, without a network."""

import asyncio
import datetime as dt
from zoneinfo import ZoneInfo

from telegram.ext import Application, Defaults

BERLIN = ZoneInfo("Europe/Berlin")


async def main():
    app = Application.builder().token("1:x").defaults(Defaults(tzinfo=BERLIN)).build()
    queue = app.job_queue
    said, done = [], asyncio.Event()

    async def once(context):
        said.append(("once", context.job.name, context.job.data, context.job.chat_id, context.job.user_id))

    async def repeating(context):
        said.append(("repeating", context.job.data))
        context.job.data += 1
        if context.job.data == 3:
            context.job.schedule_removal()
            done.set()

    async def failing(context):
        raise ValueError("as told")

    async def told(update, context):
        said.append(("error", repr(context.error), context.job.name))

    app.add_error_handler(told)
    await queue.start()
    queue.run_once(once, 0.01, data="d", name="first", chat_id=5, user_id=6)
    queue.run_once(failing, dt.timedelta(milliseconds=1), name="bad")
    queue.run_repeating(repeating, interval=0.05, first=0.02, data=0)
    daily = queue.run_daily(once, dt.time(5, 30), days=(1, 3), name="daily")
    monthly = queue.run_monthly(once, when=dt.time(7, tzinfo=BERLIN), day=-1, name="monthly")
    custom = queue.run_custom(
        once, {"trigger": "cron", "hour": 3, "year": "2090", "timezone": "UTC"}, name="custom"
    )
    later = queue.run_once(once, dt.datetime(2090, 1, 2, 3, 4, 5), name="later")
    await asyncio.wait_for(done.wait(), 20)
    while len(said) < 5:
        await asyncio.sleep(0.01)
    print(sorted(map(str, said)))
    print(sorted(job.name for job in queue.jobs()))
    print([job.name for job in queue.get_jobs_by_name("daily")], daily == queue.get_jobs_by_name("daily")[0])
    print(daily.trigger, "|", monthly.trigger, "|", custom.trigger, "|", later.trigger)
    print(later.next_t, custom.next_t, daily.next_t.time(), monthly.next_t.time())
    print(daily.enabled, daily.removed)
    daily.enabled = False
    print(daily.enabled, daily.next_t)
    daily.enabled = True
    print(daily.next_t.time())
    print(repr(queue.scheduler.get_job(later.job.id).next_run_time), repr(later.job.misfire_grace_time))
    await later.run(app)
    print(said[-1])
    later.schedule_removal()
    print(later.removed, sorted(job.name for job in queue.jobs()))
    print(queue.scheduler_configuration["timezone"], sorted(queue.scheduler_configuration))
    await queue.stop()
    print(queue.scheduler.running)


asyncio.run(main())
