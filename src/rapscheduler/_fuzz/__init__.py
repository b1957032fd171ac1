"""Fuzzing as a product: ``python -m rapscheduler fuzz --minutes N --seed S``.

Triggers of every kind are drawn at random and asked for fire times around the transitions of every zone; their answers
are compared with the reference twin, with a brute-force walker over real instants, and with other schedulers where they
are installed (APScheduler, cronsim, croniter).

The rooms: ``schedule`` (a cron schedule as data: its text and its meaning), ``zones`` (``zoneinfo`` seen as
transitions), ``walker`` and ``plain`` (the rule, said as plainly as possible), ``draw`` (what is asked), ``groups`` and
``others`` (triggers, their calls and the right answers), ``peers`` (other schedulers), ``campaign`` (counting,
shrinking), ``command`` (processes, progress, the report). The first five must not import the engine: they were written
from the rule alone.

For rules of time that change: ``zonefiles`` (releases of the tz database, made-up rules), ``wishes`` (jobs, and
when each has to run), ``rules`` (the same on real schedulers and stores), ``stores``. The first two must not import
the engine.
"""

from __future__ import annotations

from .command import add_arguments, main, run

__all__ = ["add_arguments", "main", "run"]
