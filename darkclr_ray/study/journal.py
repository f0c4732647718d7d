"""Optuna's journal with a checksum in every line; it can be restored from the records of the trials."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState, create_trial

from darkclr_ray.integrity import Damaged, digest
from darkclr_ray.settings import SearchSettings
from darkclr_ray.store.files import CHECKSUM
from darkclr_ray.study.objectives import directions, values
from darkclr_ray.study.records import OptunaRecord, TrialRecord
from darkclr_ray.study.space import Space

ATTRIBUTES = ("stages", "seconds", "reason")
"""Entries of a trial's file that Optuna stores as user attributes."""


class CheckedJournal(JournalFileBackend):
    """Optuna's file of a study, with a checksum as a further entry of every line; Optuna's readers do not look at it.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        super().append_logs([{**log, CHECKSUM: line_digest(log)} for log in logs])


class DelayedJournal(JournalStorage):
    """Optuna's storage of a study in which a trial may be shown the results of much earlier trials only.

    Which trials have ended, and in which order, depends on how many run at a time and on how fast. What samplers and
    pruners make of a trial does not, where results of trials shortly before it are hidden from them, whether they are
    there or not.
    """

    _reader: tuple[int, int] | None = None

    @contextlib.contextmanager
    def shown_to(self, number: int, delay: int) -> Iterator[None]:
        """Within this context, show only what a trial may know.

        The results of trials up to ``number - delay`` are shown. Trials after them, up to ``number``, are shown with
        their points, as if they were still running. Later trials are not shown.
        """
        self._reader = number, delay
        try:
            yield
        finally:
            self._reader = None

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Return the trials of a study in the given states (all by default); see `shown_to`."""
        if self._reader is None:
            return super().get_all_trials(study_id, deepcopy, states)
        number, delay = self._reader
        trials = super().get_all_trials(study_id, deepcopy)
        known = trials[: max(0, number - delay + 1)]  # trials are in the order of their numbers
        later = trials[len(known) : number + 1]
        shown = known + [trial if trial.number == number else without_results(trial) for trial in later]
        return shown if states is None else [trial for trial in shown if trial.state in states]


def without_results(trial: FrozenTrial) -> FrozenTrial:
    """Return a copy of a trial as it was when it started."""
    started = copy.copy(trial)
    if trial.state.is_finished():
        started.state, started.values, started.datetime_complete = TrialState.RUNNING, None, None
    started.intermediate_values, started.user_attrs = {}, {}
    return started


def line_digest(log: Mapping[str, Any]) -> str:
    """Return the checksum of one line's entries."""
    return digest(json.dumps(log, separators=(",", ":")).encode())


def check_journal(path: Path) -> None:
    """Raise Damaged where a line of a journal is not as it was written; the last one may be cut off by a kill."""
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines[:-1], 1):
        try:
            log = json.loads(line)
            found = log.pop(CHECKSUM)
            whole = found == line_digest(log) and json.dumps({**log, CHECKSUM: found}, separators=(",", ":")).encode()
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            whole = False
        if whole != line:
            raise Damaged(f"{path}: line {number} is damaged; delete the file, and the study makes it again")


def optuna_record(trial: FrozenTrial) -> OptunaRecord:
    """Return what Optuna stores of a trial besides its end, for `restore_trials`."""
    return OptunaRecord(
        params=dict(trial.params),
        intermediate_values=trial.intermediate_values,
        user_attrs={name: value for name, value in trial.user_attrs.items() if name not in ATTRIBUTES},
    )


def restore_trials(
    storage: JournalStorage,
    name: str,
    records: Sequence[TrialRecord],
    space: Space,
    *,
    new_objectives: bool = False,
) -> bool:
    """Fill a new journal with the trials that have ended, so that the search goes on as if it had been kept.

    A number without a record belongs to a trial that was running: it is suggested first.

    Args:
        storage: of the study.
        name: of the study.
        records: records of the trials that have ended.
        space: that the trials were drawn from.
        new_objectives: whether the objectives have changed, so that intermediate values of earlier ones are left out.

    Returns:
        Whether there was something to fill in.
    """
    if storage.get_all_studies() or not records:
        return False
    search = space.settings.search
    study = optuna.create_study(storage=storage, study_name=name, directions=directions(search))
    ended = {record.number: record for record in records}
    points = [] if search.sampler == "grid" else space.initial_points()
    for number in range(max(max(ended) + 1, len(points))):
        if number in ended:
            study.add_trial(_trial(ended[number], space, new_objectives))
        elif number < len(points):
            study.enqueue_trial(points[number])
        else:
            study.add_trial(create_trial(state=TrialState.WAITING))
    return True


def _trial(record: TrialRecord, space: Space, new_objectives: bool) -> FrozenTrial:
    known, state = record.optuna, TrialState[record.state]
    params = known.params or record.parameters
    return create_trial(
        state=state,
        values=complete_values(record, space.settings.search) if state == TrialState.COMPLETE else None,
        params=params,
        distributions=space.distributions(params),
        intermediate_values={} if new_objectives else known.intermediate_values,
        user_attrs={
            **({} if new_objectives else known.user_attrs),
            **{name: getattr(record, name) for name in ATTRIBUTES},
        },
    )


def complete_values(record: TrialRecord, search: SearchSettings) -> list[Any]:
    """Return the values of all objectives of a complete trial."""
    return [record.objective, *values(record.objectives, search)[1:]]
