"""nonebot-plugin-apscheduler as its documentation shows: the plugin's scheduler, its settings, start and end."""

import asyncio
import logging
import os

os.environ["LOG_LEVEL"] = "ERROR"

import nonebot

nonebot.logger.remove()

nonebot.init(
    driver="~none",
    log_level="ERROR",
    apscheduler_autostart=True,
    apscheduler_log_level=30,
    apscheduler_config={
        "apscheduler.timezone": "Asia/Shanghai",
        "apscheduler.job_defaults.max_instances": "2",
    },
)
nonebot.require("nonebot_plugin_apscheduler")

from nonebot_plugin_apscheduler import scheduler  # noqa: E402

said = []


@scheduler.scheduled_job("cron", hour="*/2", year="2090", id="job_0", args=[1], kwargs={"arg2": 2})
async def run_every_2_hour(arg1: int, arg2: int):
    pass


async def tick(n):
    said.append(n)


async def main():
    driver = nonebot.get_driver()
    scheduler.add_job(tick, "interval", seconds=0.05, id="tick", args=[5])
    await driver._lifespan.startup()
    print(scheduler.running, scheduler.timezone)
    while len(said) < 3:
        await asyncio.sleep(0.01)
    scheduler.remove_job("tick")
    for job in scheduler.get_jobs():
        print(job.id, job.name, job.trigger, job.args, job.kwargs, job.max_instances, job.next_run_time)
    await driver._lifespan.shutdown()
    print(scheduler.running, set(said), logging.getLogger("apscheduler").level)


asyncio.run(main())
