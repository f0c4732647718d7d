"""Optuna's journal of a study with a checksum in every line, and how it is made again from the trials' files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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


def known_to_optuna(trial: FrozenTrial) -> dict[str, Any]:
    """Return what a trial's file holds for `restore_trials`: what Optuna knows beside the trial's end."""
    return {
        "params": dict(trial.params),
        "intermediate_values": {str(epoch): value for epoch, value in trial.intermediate_values.items()},
        "user_attrs": {name: value for name, value in trial.user_attrs.items() if name not in ATTRIBUTES},
    }


def restore_trials(
    storage: JournalStorage,
    name: str,
    records: Sequence[Mapping[str, Any]],
    space: Space,
    *,
    judged_anew: bool = False,
) -> bool:
    """Fill a new journal with the trials that have ended, so that the search goes on as if it had been kept.

    A number without a file belongs to a trial that was at work: it is asked for first.

    Args:
        storage: of the study.
        name: of the study.
        records: content of the trials' files.
        space: that the trials were drawn from.
        judged_anew: whether the objectives have changed, so that intermediate values of the earlier ones are left out.

    Returns:
        Whether there was something to fill in.
    """
    if storage.get_all_studies() or not records:
        return False
    search = space.settings.search
    study = optuna.create_study(storage=storage, study_name=name, directions=directions(search))
    ended = {record["number"]: record for record in records}
    points = [] if search.sampler == "grid" else space.initial_points()
    for number in range(max(max(ended) + 1, len(points))):
        if number in ended:
            study.add_trial(_trial(ended[number], space, judged_anew))
        elif number < len(points):
            study.enqueue_trial(points[number])
        else:
            study.add_trial(create_trial(state=TrialState.WAITING))
    return True


def _trial(record: Mapping[str, Any], space: Space, judged_anew: bool) -> FrozenTrial:
    known = record.get("optuna", {})
    params = known.get("params", record["parameters"])
    state, intermediate = TrialState[record["state"]], known.get("intermediate_values", {})
    user_attrs = {name: value for name, value in known.get("user_attrs", {}).items() if not judged_anew}
    return create_trial(
        state=state,
        values=complete_values(record, space.settings.search) if state == TrialState.COMPLETE else None,
        params=params,
        distributions=space.distributions(params),
        intermediate_values={} if judged_anew else {int(epoch): value for epoch, value in intermediate.items()},
        user_attrs={**user_attrs, **{name: record[name] for name in ATTRIBUTES}},
    )


def complete_values(record: Mapping[str, Any], search: SearchSettings) -> list[Any]:
    """Return the values of all objectives of a complete trial."""
    return [record["objective"], *values(record.get("objectives", {}), search)[1:]]
