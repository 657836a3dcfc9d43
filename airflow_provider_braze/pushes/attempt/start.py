"""Where one try of a push begins: what the earlier tries have left, and the folder that it makes for itself.

Above: each attempt. Below: checkpoints, the rejects file, and the reports folder.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import takewhile

from airflow_provider_braze.exceptions import ReportError, describe
from airflow_provider_braze.memory import opening
from airflow_provider_braze.pushes.attempt.job import Job
from airflow_provider_braze.pushes.resuming.resume_state import ResumeState
from airflow_provider_braze.rejects.writer import RejectsFile, RejectsInReport
from airflow_provider_braze.storage.files.location import Location
from airflow_provider_braze.storage.reports.push_identity import PushIdentity
from airflow_provider_braze.storage.reports.reports_folder import REJECTS_NAME, ReportsFolder


@dataclass(frozen=True, slots=True)
class Start:
    """Where one try of a push begins.

    :param bound_to: what its checkpoints belong to; None where no later try can go on from one.
    :param resume_state: what an earlier try has left to go on from.
    :param identity: whose push it is; the token is the earlier try's.
    :param folder: the try's own, in the reports folder; None: there are no files.
    :param rejects: takes its failed records.
    :param memory: folder of the memory that it has to do with.
    :param remembered_as: names it there: each export of a list knows what those before it have told.
    :param killed: folders of the tries just before that were killed before they had kept anything.
    """

    bound_to: str | None
    resume_state: ResumeState | None
    identity: PushIdentity
    folder: Location | None
    rejects: RejectsFile | RejectsInReport
    memory: Location | None
    remembered_as: str
    killed: tuple[Location, ...] = ()

    @classmethod
    def of(
        cls,
        job: Job,
        bound_to: str | None,
        reports_folder: ReportsFolder | None,
        named: str,
        columns: tuple[str, ...] = (),
    ) -> Start:
        """Look for what an earlier try has left, and make this one's folder.

        :param named: what is pushed, as its folder in the reports folder is named.
        :param columns: columns of its rejects file, as far as they are known.
        :raises ReportError: the reports folder can be neither read nor written.
        """
        try:
            return cls._of(job, None if job.dry_run else bound_to, reports_folder, named, columns)
        except OSError as error:
            where = reports_folder.root.url if reports_folder else named
            raise ReportError(
                f"{where} cannot be read or written ({describe(error)}): make room, or give the worker access."
            ) from error

    @classmethod
    def _of(
        cls,
        job: Job,
        bound_to: str | None,
        reports_folder: ReportsFolder | None,
        named: str,
        columns: tuple[str, ...],
    ) -> Start:
        memory = opening.find(job.memory, reports_folder, job.braze_conn_id)
        state = ResumeState.of(job.checkpoint, bound_to) if bound_to else None
        identity = replace(job.identity, token=state.token) if state and state.token else job.identity
        remembered_as = f"{identity.token}/{named}"
        killed = []
        if reports_folder and bound_to and identity.try_number > 1:
            kept = state.attempt_folders if state else ()
            found = reports_folder.killed_tries(named, identity)
            killed = [*takewhile(lambda each: each.url not in kept, found)]
        folder = reports_folder.start_run(named, identity) if reports_folder else None
        if folder is not None:
            parts = state.parts if state else ()
            rejects = RejectsFile(folder.child(REJECTS_NAME), columns, parts, token=identity.token)
            return cls(bound_to, state, identity, folder, rejects, memory, remembered_as, tuple(killed))
        in_report = RejectsInReport()
        if state and state.failed_rows:
            in_report.resume(state.failed_rows)
        return cls(bound_to, state, identity, folder, in_report, memory, remembered_as)
