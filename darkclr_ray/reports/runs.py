"""Read the folder of a comparison of detectors: one file per run, and the results of the whole study."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from darkclr_ray.evaluation.rejection import Evaluation
from darkclr_ray.reports import styles as theme
from darkclr_ray.reports.labels import detector_label
from darkclr_ray.reports.reader import Study, json_file, reading, settings_yaml, study_json


@dataclass(frozen=True)
class Run:
    """A run of a comparison, as read from its JSON file: one network (or cut) for each of its detectors.

    Attributes:
        label: label for readers, which all runs of one ensemble share.
        sections: analyses that use the run: "methods", "dimensions", "contamination", "forms" or "linear".
        seeds: seeds "encoder" and "autoencoder"; None for a seed on which nothing in the run depends.
        detectors: mapping from name to facts, with "title" and "labels" (whether the training used labels).
        trained_on, selected_on: facts on training and selection, with "words" for a caption.
        test: mapping from detector and signal to an evaluation as JSON.
        signal_blind: mapping from detector to an evaluation of background against its anomalous views, as JSON.
        warnings: warnings as sentences.
        encoders, chains: mapping from detector to measures of its encoder's collapse, and of its Langevin chains.
    """

    key: str
    state: str
    reason: str
    label: str
    sections: tuple[str, ...]
    seeds: Mapping[str, int | None]
    parameters: Mapping[str, Any]
    detectors: Mapping[str, Mapping[str, Any]]
    trained_on: Mapping[str, Any]
    selected_on: Mapping[str, Any]
    stages: Mapping[str, str]
    test: Mapping[str, Mapping[str, Any]]
    signal_blind: Mapping[str, Any]
    warnings: tuple[str, ...]
    chains: Mapping[str, Any]
    encoders: Mapping[str, Any]
    seconds: Mapping[str, float]


@dataclass(frozen=True)
class Ensemble:
    """The networks of one detector that differ in nothing but their seeds."""

    detector: str
    runs: tuple[Run, ...]

    @property
    def parameters(self) -> Mapping[str, Any]:
        return self.runs[0].parameters

    @property
    def trained_on(self) -> Mapping[str, Any]:
        return self.runs[0].trained_on

    @property
    def label(self) -> Markup:
        """Label of the detector."""
        facts = self.runs[0].detectors.get(self.detector, {})
        return detector_label(self.detector, str(facts.get("title") or ""))

    @property
    def labels(self) -> bool:
        """Whether the detector was trained with labels."""
        return bool(self.runs[0].detectors.get(self.detector, {}).get("labels"))

    @property
    def has_seed(self) -> bool:
        """Whether the detector depends on a seed; a cut does not."""
        return any(seed is not None for seed in self.runs[0].seeds.values())

    @cached_property
    def evaluations(self) -> dict[str, list[Evaluation]]:
        """Mapping from signal to the evaluations on test jets, one for each network."""
        found: dict[str, list[Evaluation]] = {}
        for run_spec in self.runs:
            for signal, facts in (run_spec.test.get(self.detector) or {}).items():
                found.setdefault(signal, []).append(Evaluation.from_json(facts))
        return found

    @cached_property
    def blind(self) -> list[Evaluation]:
        """Evaluations of background against its anomalous views, one for each network that has one."""
        facts = [one.signal_blind.get(self.detector) for one in self.runs]
        return [Evaluation.from_json(one) for one in facts if one]

    def blind_merit(self, eps_s: float) -> float:
        """Return the mean log pT-matched rejection on anomalous views at a signal efficiency.

        This is the signal-blind criterion for the selection of a detector. It is minus infinity without evaluations.
        """
        return float(np.mean([one.log_rejection("matched", eps_s) for one in self.blind])) if self.blind else -math.inf


@dataclass(frozen=True)
class Comparison(Study):
    """The folder of a comparison of detectors."""

    runs: tuple[Run, ...]
    sections: Mapping[str, Mapping[str, Any]]

    @property
    def kind(self) -> str:
        return str(self.about["kind"])

    @property
    def complete(self) -> list[Run]:
        """List of the runs that were completed."""
        return [run_spec for run_spec in self.runs if run_spec.state == "COMPLETE"]

    def evaluated(self) -> Iterable[str]:
        return dict.fromkeys(signal for one in self.complete for signals in one.test.values() for signal in signals)

    @cached_property
    def main_signals(self) -> list[str]:
        """Signals of tables and curves: those that are not points of a grid, or all signals if every one is."""
        judged = set(self.evaluated())
        signals = [name for name in self.samples if name in judged]
        return [name for name in signals if not is_grid(name)] or signals

    @property
    def lead(self) -> str:
        return "aachen" if "aachen" in self.main_signals else self.main_signals[0]

    def ensembles(self, section: str) -> list[Ensemble]:
        """Return the ensembles that belong to a section, in the order of tables and legends."""
        groups: dict[tuple[str, ...], list[Run]] = {}
        for run_spec in self.complete:
            if section in run_spec.sections:
                for detector in run_spec.test:
                    what = json.dumps([run_spec.parameters, run_spec.trained_on], sort_keys=True)
                    groups.setdefault((detector, run_spec.label, what), []).append(run_spec)
        found = [Ensemble(key[0], tuple(members)) for key, members in groups.items()]
        places = {name: at for at, name in enumerate(theme.in_order(one.detector for one in found))}
        return sorted(found, key=lambda one: places[one.detector])

    @cached_property
    def methods(self) -> dict[str, Ensemble]:
        """Mapping from detector to its ensemble at the study's settings; empty if methods are not compared."""
        found: dict[str, Ensemble] = {}
        for ensemble in self.ensembles("methods"):
            found.setdefault(ensemble.detector, ensemble)
        return found

    @cached_property
    def styles(self) -> dict[str, theme.Style]:
        """Plotting styles of all detectors of the study."""
        return theme.detector_styles(theme.in_order({name for one in self.complete for name in one.test}))

    @cached_property
    def blind_eps_s(self) -> float:
        """Efficiency on anomalous views at which the signal-blind selection compares detectors.

        It is the largest efficiency, up to one half, that all runs have. More background jets survive at a larger
        efficiency, which reduces the uncertainty of the selection; at 0.2 only a few jets survive.
        """
        found = [facts for one in self.complete for facts in one.signal_blind.values() if facts]
        kept = [{float(eps_s) for eps_s in facts["matched"]["rejection"]} for facts in found]
        return max((eps_s for eps_s in set.intersection(*kept) if eps_s <= 0.5), default=0.2) if kept else 0.2

    @cached_property
    def candidates(self) -> list[Ensemble]:
        """Candidates of the signal-blind selection, best first.

        They are the networks trained without labels, ordered by their separation of background from its anomalous
        views. Simple cuts are excluded, since views that lack constituents are no test of them. If there is no such
        network, all methods are candidates. The list is empty if methods are not compared.
        """
        free = [ensemble for ensemble in self.methods.values() if not ensemble.labels]
        free = [ensemble for ensemble in free if ensemble.has_seed] or free or list(self.methods.values())
        return sorted(free, key=lambda one: (one.blind_merit(self.blind_eps_s), one.detector == "s_NAE"), reverse=True)

    @property
    def selected(self) -> Ensemble | None:
        """Ensemble that the signal-blind selection chooses; None if methods are not compared."""
        return self.candidates[0] if self.candidates else None

    def result(self, section: str) -> Any:
        """Return the result of a section of the whole study; None if there is none."""
        return (self.sections.get(section) or {}).get("result")


def is_grid(name: str) -> bool:
    """Return whether the name of a signal is that of a point of the grid over r_inv and meson mass.

    >>> is_grid("rinv_0.3_mass_12"), is_grid("rinv_0.5")
    (True, False)
    """
    return re.fullmatch(r"rinv_[\d.]+_mass_[\d.]+", name) is not None


def read(folder: Path) -> Comparison:
    """Read the folder of a comparison.

    Raises:
        ValueError: the folder contains no study, or no run of it is complete yet.
    """
    about, settings = study_json(folder), settings_yaml(folder)
    paths = sorted((folder / "runs").glob("*.json"), key=lambda path: natural(path.name))
    runs = tuple(_run_spec(path) for path in paths)
    sections = {path.stem: json_file(path) for path in sorted((folder / "sections").glob("*.json"))}
    comparison = Comparison(folder, about, settings, runs, sections)
    with reading(folder / "settings.yaml"):
        settings["background"]
    if not any(run_spec.test for run_spec in comparison.complete):
        states = ", ".join(f"{run_spec.key}: {run_spec.state}" for run_spec in runs) or "no run at all"
        raise ValueError(f"{folder}: nothing to report before the first complete run ({states})")
    return comparison


def natural(name: str) -> list[tuple[int, str]]:
    """Return a sort key that orders numbers within names by value, so that the network of the lowest seed is first.

    >>> sorted(["e10", "e8-a2", "e8-a16"], key=natural)
    ['e8-a2', 'e8-a16', 'e10']
    """
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]


def _run_spec(path: Path) -> Run:
    facts = json_file(path)
    with reading(path):
        return _of_facts(facts)


def _of_facts(facts: Mapping[str, Any]) -> Run:
    return Run(
        key=str(facts["key"]),
        state=str(facts["state"]),
        reason=str(facts.get("reason") or ""),
        label=str(facts.get("label") or facts["key"]),
        sections=tuple(facts.get("sections") or ()),
        warnings=tuple(map(str, facts.get("warnings") or ())),
        **{
            name: facts.get(name) or {}
            for name in (
                "seeds",
                "parameters",
                "detectors",
                "trained_on",
                "selected_on",
                "stages",
                "test",
                "signal_blind",
                "chains",
                "encoders",
                "seconds",
            )
        },
    )
