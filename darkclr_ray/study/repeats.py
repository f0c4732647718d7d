"""The best points of a search, trained again with other seeds: the best of many single runs is biased upwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import Any

from darkclr_ray.settings import SearchSettings, StudySettings
from darkclr_ray.study.jobs import trial_settings
from darkclr_ray.study.records import RepeatedPoint, Repeats, TrialRecord

REPEATS = "seeds.json"
"""File in a study's folder with the results of the best points with other seeds."""


def best_points(records: Sequence[TrialRecord], search: SearchSettings) -> list[TrialRecord]:
    """Return the complete trials with the best objectives; none if they are not trained again."""
    complete = [record for record in records if record.state == "COMPLETE" and record.objective is not None]
    ordered = sorted(complete, key=lambda record: (-(record.objective or 0.0), record.number))
    return ordered[: search.repeated_points] if search.seeds else []


def repeat_settings(settings: StudySettings, parameters: Mapping[str, Any], seed: int) -> StudySettings:
    """Return the settings of a point with its ``seed``-th further seed.

    >>> repeat_settings(StudySettings(seed=5), {"encoder.layers": 2}, 3).seed
    8
    """
    at = trial_settings(settings, parameters)
    autoencoder = {} if at.nae.seed is None else {"nae": {"seed": at.nae.seed + seed}}
    return at.updated({"seed": at.seed + seed, **autoencoder})


def repeat_name(number: int, seed: int) -> str:
    """Return the name of the job that trains the point of a trial again.

    >>> repeat_name(3, 1)
    'seeds-0003-1'
    """
    return f"seeds-{number:04d}-{seed}"


def summary(points: Sequence[TrialRecord], found: Mapping[str, Mapping[str, Any]], search: SearchSettings) -> Repeats:
    """Return the content of `REPEATS`: the objective of each point with each seed, its mean, and the selected point.

    Args:
        points: trials whose points were trained again.
        found: results of the finished jobs, by `repeat_name`.
        search: settings of the search.
    """
    rows = []
    for record in points:
        jobs = [found.get(repeat_name(record.number, seed)) for seed in range(1, search.seeds + 1)]
        objectives = [job["objectives"].get(search.objective) if job else None for job in jobs]
        known = [value for value in objectives if value is not None]
        assert record.objective is not None
        rows.append(
            RepeatedPoint(
                number=record.number,
                parameters=record.parameters,
                objective=record.objective,
                repeats=objectives,
                stages=[job["stages"] if job else {} for job in jobs],
                mean=fmean(known) if known else None,
                deviation=stdev(known) if len(known) > 1 else None,
            )
        )
    evaluated = [row for row in rows if row.mean is not None]
    selected = max(evaluated, key=lambda row: (row.mean, -row.number), default=rows[0])
    return Repeats(**_question(search), points=rows, selected=selected.number)


def is_repeated(known: Repeats, records: Sequence[TrialRecord], search: SearchSettings) -> bool:
    """Return whether the content of `REPEATS` is about the present best points, objective and number of seeds."""
    expected = [(record.number, record.objective) for record in best_points(records, search)]
    same = all(getattr(known, name) == value for name, value in _question(search).items())
    return same and [(row.number, row.objective) for row in known.points] == expected != []


def _question(search: SearchSettings) -> dict[str, Any]:
    return {"objective": search.objective, "score": search.score, "seeds": search.seeds}
