"""Compare the selected detectors of two or more studies of one kind on the test jets that they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.evaluation.paired import PairedRatio, paired_ratio
from darkclr_ray.study.ensemble import EPS_S, Ensemble
from darkclr_ray.study.read_results import read_results
from darkclr_ray.study.results import StudyResults
from darkclr_ray.study.study_files import JetTable
from darkclr_ray.study.trackers.base import flat


@dataclass(frozen=True)
class Versus:
    """Two or more studies of one kind, with names that differ.

    Attributes:
        studies: results of the studies by their names.
    """

    studies: Mapping[str, StudyResults]

    @property
    def first(self) -> StudyResults:
        """The first study."""
        return next(iter(self.studies.values()))

    @cached_property
    def selected(self) -> dict[str, Ensemble]:
        """Selected detector of each study."""
        return {name: study.selected for name, study in self.studies.items() if study.selected is not None}

    def differing_settings(self) -> dict[str, dict[str, Any]]:
        """Return the settings that are not the same in all studies: dotted name -> name of the study -> value."""
        nested = {name: flat(study.settings.model_dump(mode="json")) for name, study in self.studies.items()}
        keys = dict.fromkeys(key for values in nested.values() for key in values if key != "name")
        found = {key: {name: values.get(key) for name, values in nested.items()} for key in keys}
        return {key: values for key, values in found.items() if len({repr(value) for value in values.values()}) > 1}

    @cached_property
    def ratios(self) -> dict[tuple[str, str], dict[str, PairedRatio]]:
        """Rejection of one study's selected detector over that of another's on the same test jets, by signal.

        Every study is compared with each one after it. Signals of which two studies share no test jets are left out,
        and so are all signals where they share no background jets, or where scores of shared jets were not stored.
        """
        return {
            (one, other): self._compared(self.studies[one], self.studies[other])
            for one, other in combinations(self.studies, 2)
        }

    def standing(self, one: str, other: str) -> tuple[int, int]:
        """Return the numbers of signals on which a study is ahead of another one and behind it, with 95% confidence.

        A study is ahead on a signal if the interval of the pT-matched ratio of the rejections excludes 1.
        """
        forward = (one, other) in self.ratios
        found = self.ratios[(one, other) if forward else (other, one)]
        signs = [ratio.matched.significant * (1 if forward else -1) for ratio in found.values()]
        return signs.count(1), signs.count(-1)

    @property
    def leader(self) -> str | None:
        """Study that is ahead of every other one on more signals than it is behind; None if there is no such study."""
        for name in self.studies:
            others = [self.standing(name, other) for other in self.studies if other != name]
            if all(ahead > behind for ahead, behind in others):
                return name
        return None

    def shared(self, one: str, other: str) -> dict[str, int]:
        """Return the number of test jets that two studies share, by sample; samples without any are left out."""
        tables = self.studies[one].jets, self.studies[other].jets
        names, counts = np.unique(tables[0].samples[common_rows(*tables)[0]], return_counts=True)
        return dict(zip(names.tolist(), counts.tolist(), strict=True))

    def _compared(self, one: StudyResults, other: StudyResults) -> dict[str, PairedRatio]:
        assert one.selected is not None
        assert other.selected is not None
        scores = one.scores(one.selected), other.scores(other.selected)
        if scores[0] is None or scores[1] is None:
            return {}
        rows = common_rows(one.jets, other.jets)
        jets = one.jets.take(rows[0])
        a, b = scores[0][rows[0]], scores[1][rows[1]]
        found = {}
        for signal in one.main_signals:
            parts = jets.of(one.background), jets.of(signal)
            if signal in other.main_signals and all(map(len, parts)):
                columns: tuple[NDArray[Any], ...] = (a, b, jets.pt, jets.events)
                arrays = [column[part] for column in columns for part in parts]
                found[signal] = paired_ratio(*arrays, eps_s=EPS_S, seed=one.settings.seed)
        return found


def read_versus(folders: Sequence[Path]) -> Versus:
    """Return the comparison of the studies in two or more folders, in their order.

    A study has the name that its settings give it, and the name of its folder where two have the same.

    Raises:
        ValueError: there is only one folder, a folder is given twice or is no study with results, the studies are of
            different kinds or have different backgrounds, or a study selects no detector.
    """
    if len(folders) < 2 or len({folder.resolve() for folder in folders}) < len(folders):
        raise ValueError(f"{', '.join(map(str, folders))}: expected the folders of two or more different studies")
    studies = [read_results(folder) for folder in folders]
    first = studies[0]
    for study in studies:
        if study.about.kind != first.about.kind:
            raise ValueError(
                f"{study.folder} is of the kind {study.about.kind} and {first.folder} of the kind {first.about.kind}; "
                "only studies of one kind are compared"
            )
        if study.background != first.background:
            raise ValueError(
                f"{study.folder} has the background {study.background!r} and {first.folder} {first.background!r}; "
                "rejections of different backgrounds are not compared"
            )
        if study.selected is None:
            raise ValueError(f"{study.folder}: a {study.about.kind} selects no detector that could be compared")
    names = [study.about.name for study in studies]
    if len(set(names)) < len(names):
        names = [study.folder.resolve().name for study in studies]
    if len(set(names)) < len(names):
        names = [str(study.folder) for study in studies]
    return Versus(dict(zip(names, studies, strict=True)))


def common_rows(one: JetTable, other: JetTable) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows of the jets that two tables share, (C,) each: those with the same id, sample and pT."""
    _, a, b = np.intersect1d(one.ids, other.ids, assume_unique=True, return_indices=True)
    same = (one.samples[a] == other.samples[b]) & (one.pt[a] == other.pt[b])
    return a[same], b[same]
