"""A batch whose runs are claimed in their store before they are submitted.

Here: `ClaimedBatch`, how it differs from a `Batch`. Not here: the lease, what is under way (`claims`).

The order is turned round: the claim moves the jobs on and writes their runs as under way, in one transaction; what was
claimed is submitted then, and what an executor does not take is handed back.
"""

from __future__ import annotations

from rapscheduler._engine.planning import Change, Submission, split_by_executor
from rapscheduler._instants import moment
from rapscheduler._quoting import job_text, said
from rapscheduler._scheduling import overlap
from rapscheduler._scheduling.batch import Batch
from rapscheduler._scheduling.claims import Claim, Claims
from rapscheduler.errors import MaxInstancesReachedError, UnrunnableJobError, ends_program, log_line
from rapscheduler.events import EVENT_JOB_MAX_INSTANCES, JobSubmissionEvent
from rapscheduler.executors._home import Failures, counts_from_end
from rapscheduler.jobstores._shared import Refused
from rapscheduler.jobstores.base import park_reason

Pairs = list[tuple[Submission, Change]]


class ClaimedBatch(Batch):
    """`_held`: the claims of what is being submitted; `_epoch`: whose they are."""

    _claims_all = True

    __slots__ = ("_epoch", "_held")

    def carry_out(self) -> None:
        self._held: list[Claim] = []
        try:
            super().carry_out()
        finally:
            self._claims.let_go()

    @property
    def _claims(self) -> Claims:
        claims: Claims = self._shelf.calls._claims
        return claims

    def _submit_and_settle(self) -> None:
        pairs: Pairs = []
        groups = split_by_executor(self._plan.submissions, self._plan.changes)
        for alias, (submissions, changes) in groups.items():
            try:
                self._scheduler._lookup_executor(alias)
            except BaseException as exc:
                if ends_program(exc):
                    raise
                self._park_for_want(alias, changes)
            else:
                pairs += zip(submissions, changes, strict=True)
        parks, self.changes = self.changes, []
        refused = self._claim_them(pairs, parks) if self._is_open() else None
        if refused is not None:
            asked, out = pairs, refused.out
            if out:
                pairs = [pair for pair in asked if pair[1].job.id not in out]
            if len(pairs) < len(self._plan.submissions):
                groups = split_by_executor([one for one, _ in pairs], [change for _, change in pairs])
            try:
                if out:
                    self._tell_refused(asked, refused)
                for alias, group in groups.items():
                    if not self._is_open():
                        break
                    self._submit(alias, *group)
            finally:  # what was claimed and not submitted, whatever was raised
                if len(self._held) < len(pairs):
                    held = self._by_submission()
                    for one, change in pairs:
                        if id(one) not in held:
                            self._claims.again(self._claims.hold(one, change, self._epoch))
        self.changes += parks
        self._tell()

    def _count(self, submissions: list[Submission], changes: list[Change], failures: Failures) -> None:
        """The jobs have moved on already: the count is written by itself."""
        from rapscheduler._scheduling import max_runs

        refused = {id(one) for one, _ in failures}
        taken = [
            (one, self._counted[id(one)])
            for one in submissions
            if id(one) in self._counted and id(one) not in refused
        ]
        self.events += max_runs.write_claimed(self._scheduler, self._shelf, taken)

    def _wait(self, one: Submission, change: Change) -> int:
        """A run that was claimed and has no place here is in line already, if its rule says so; none waits here."""
        if overlap.rule_of(one.job) is None:
            self._skip(one)
        return 0

    def _claim_them(self, pairs: Pairs, parks: list[Change]) -> Refused | None:
        """Claim what is in `pairs`. `None`: nothing was."""
        if not pairs and not parks:
            return None
        try:
            with self._shelf.door:
                alone = {id(one) for one in self._plan.backlogs if counts_from_end(one.job)}
                refused = self._claims.claim(pairs, parks, alone)
                self._epoch = self._claims.claimed_as
        except BaseException as exc:
            if ends_program(exc):
                raise
            log_line(
                self._scheduler._logger.warning,
                "Error claiming %d runs in job store %r: %s -- they stay due, trying again in %g s",
                len(pairs),
                self._shelf.alias,
                said(exc),
                self._scheduler.jobstore_retry_interval,
            )
            self._shelf.back_off(self._scheduler)
            return None
        return refused  # None: the keeper finds out, and says so

    def _tell_refused(self, pairs: Pairs, refused: Refused) -> None:
        """What becomes of runs that were not claimed."""
        for one, change in pairs:
            if one.job.id in refused.busy:
                if counts_from_end(one.job):  # its next run counts from the end of this one
                    self._scheduler._backlogs.moved(one, change, skipped=True)
                else:
                    self._skip(one)
                self.changes.append(change)
        if refused.waiting:
            self._get_in_line(pairs, refused)

    def _get_in_line(self, pairs: Pairs, refused: Refused) -> None:
        """Runs of these wait in the store; others that waited there are skipped for them."""
        lined = {one.job.id: (one.job, change) for one, change in pairs if one.job.id in refused.waiting}
        self.changes += [change for _, change in lined.values()]
        for job_id, run_us in refused.replaced:
            log_line(
                self._scheduler._logger.warning,
                'Execution of job "%s" skipped: it waited for another run to end, and a later run takes its place',
                job_text(lined[job_id][0]),
            )
            if self._scheduler._wants(EVENT_JOB_MAX_INSTANCES):
                times = [moment(run_us, self._scheduler.timezone)]
                self.events.append(
                    JobSubmissionEvent(EVENT_JOB_MAX_INSTANCES, job_id, self._shelf.alias, times)
                )
        self._claims.lined_up([job for job, _ in lined.values()])

    def _announce_backlogs(self, submissions: list[Submission], changes: list[Change]) -> None:
        counting = {id(one) for one in self._plan.backlogs if counts_from_end(one.job)}
        several = {id(one) for one in self._plan.backlogs} - counting
        self._held += self._claims.hold_batch(submissions, changes, several, counting, self._epoch)

    def _by_submission(self) -> dict[int, Claim]:
        return {id(claim.submission): claim for claim in self._held}

    def _note_backlogs(
        self, submissions: list[Submission], changes: list[Change], failures: Failures
    ) -> None:
        """What was skipped or can't run ended with that; what was refused for another reason is handed back."""
        held = self._by_submission() if failures else {}
        for one, error in failures:
            claim = held[id(one)]
            if isinstance(error, MaxInstancesReachedError) and overlap.rule_of(one.job) is not None:
                self._claims.line_up(claim)
            elif isinstance(error, (MaxInstancesReachedError, UnrunnableJobError)):
                claim.end()
            else:
                self._claims.again(claim)

    def _park_unrunnable(self, one: Submission, change: Change, error: BaseException) -> None:
        """The job was moved on already: it is parked where it is now, or comes back for that."""
        park = Change(one.job, change.run_at_us, park=park_reason(error))
        store = self._shelf.store
        if change.remove:
            park.job._advance(change.expected_us, change.nominal_us, None)
            store.add_job(one.job)
            park = Change(one.job, change.expected_us, park=park_reason(error))
        self._set_aside([park])
        store._park(park)

    def _keep_due(self, again: list[Submission], until_us: int) -> None:
        """They were handed back."""
