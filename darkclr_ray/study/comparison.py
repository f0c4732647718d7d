"""Studies that compare detectors: runs are trained and judged, then what belongs to the study as a whole."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from darkclr_ray.presets import preset
from darkclr_ray.store.files import read_json, write_json
from darkclr_ray.study.artifacts import evaluation_of
from darkclr_ray.study.folder import DERIVED, StudyFolder
from darkclr_ray.study.jets import StudyJets, open_study_jets, with_labelled
from darkclr_ray.study.plan import OVERHEAD, Estimate, duration
from darkclr_ray.study.run import Study

if TYPE_CHECKING:
    from darkclr_ray.runtime.outcome import Outcome
    from darkclr_ray.runtime.trials import JobList, Program
    from darkclr_ray.study.run_specs import RunSpec
    from darkclr_ray.study.session import Session

RUNS, SECTIONS = "runs", "sections"

CHOSEN = ("inputs", "views", "encoder", "contrastive", "nae", "views_classifier", "supervised")
"""Settings that make a detector better or worse, and that somebody chose on some jets."""


class Comparison(Study):
    """A study whose jobs are runs that are known beforehand."""

    what = "runs"
    sections: tuple[str, ...] = ()
    """What is computed when all runs have ended: functions of `darkclr_ray.study.analyses`."""

    @abstractmethod
    def expand_runs(self) -> list[RunSpec]:
        """Everybody who takes part."""

    @cached_property
    def runs(self) -> list[RunSpec]:
        """Everybody once, those first whose encoder others wait for."""
        from darkclr_ray.study.run_specs import merged

        return merged(self.expand_runs())

    def check(self) -> None:
        """Raises ValueError also for a detector or an embedding scan that there is not."""
        super().check()
        scan = self.settings.comparison.scan
        if scan is not None and not has_trials(Path(scan)):
            raise ValueError(f"comparison.scan = {scan}: no embedding scan with trials in this folder")
        if scan is not None:
            StudyFolder(Path(scan)).endings()
        if not self.settings.comparison.detectors:
            return  # torch, which a refusal of jets does not wait for
        from darkclr_ray.detectors import registry

        try:
            for name in self.settings.comparison.detectors:
                registry.find(name)
            self.runs  # noqa: B018  (refuses names of scores that two detectors have)
        except ValueError as error:
            raise ValueError(f"comparison.detectors: {error}") from error

    @property
    def scan(self) -> Path | None:
        """The embedding scan whose choices are looked at."""
        named = self.settings.comparison.scan
        beside = self.folder.path.parent / "embedding_scan"
        return Path(named) if named else beside if has_trials(beside) else None

    def open(self) -> StudyJets:
        jets = open_study_jets(self.settings, further=self.settings.comparison.further_jets)
        needed = any(run_spec.labels or run_spec.fraction for run_spec in self.runs)
        return with_labelled(jets, self.settings.supervised.signal) if needed else jets

    @property
    def total(self) -> int:
        return len(self.runs)

    @property
    def ended(self) -> int:
        return len(self.states())

    def states(self) -> dict[str, str]:
        """How those ended that have."""
        return {record["key"]: record["state"] for record in self.records()}

    def records(self) -> list[dict[str, Any]]:
        """Return the content of the files of the runs that have ended, by the files' names."""
        return [read_json(path) for path in sorted((self.folder.path / RUNS).glob("*.json"))]

    def finished(self) -> bool:
        about = self.folder.about()
        sections = (f"{SECTIONS}/{name}.json" for name in about.get(SECTIONS, ()))
        if not about.get("finished") or not self.folder.has(*DERIVED, *sections):
            return False
        there = {record["key"] for record in self.records() if self.folder.has_stages(record)}
        return there >= {run_spec.key for run_spec in self.runs}

    def work(self, session: Session) -> int:
        return session.run(self.program(session))

    def program(self, session: Session) -> Program:
        """Train and judge the runs that are left, then compute the sections; see `Program`."""
        from darkclr_ray.runtime.trials import JobList

        cost = yield from session.calibrate()
        ended = {record["key"]: record["state"] for record in self.records() if self.folder.has_stages(record)}
        for key in sorted(self.states().keys() - ended.keys()):
            session.display.say(f"{key}: results are missing in {self.folder.store.folder}; they are computed again")
        left = [run_spec for run_spec in self.runs if run_spec.key not in ended]
        session.count(ended)
        estimate = expected(left, session, cost, rescored=self.rescored())
        session.expect(estimate)
        session.display.say(self.plan(estimate, session))
        by_key = {run_spec.key: run_spec for run_spec in left}

        def on_end(key: str, outcome: Outcome) -> None:
            self.folder.note_precision(outcome.result.get("precision"))
            record = self.record(by_key[key], outcome, session.jets)
            write_json(self.folder.path / RUNS / f"{key}.json", record)
            ended[key] = record["state"]
            session.count(ended)
            for line in outcome.result.get("recomputed", ()):
                session.display.say(line)
            session.display.say(f"{key}: {summary(record)}")
            self.drop_arrays([run_spec for run_spec in left if run_spec.key not in ended])

        yield JobList({run_spec.key: run_spec.job for run_spec in left}, on_end)
        if "COMPLETE" not in ended.values():
            session.display.say(
                f"no run was completed; {self.folder.path / RUNS} says why, and {self.folder.logs} has the "
                f"details. The same command changes nothing: mend the cause, and start a new study with another --name"
            )
            return 1
        yield from self.finalize(session)
        written = [name for name in self.sections if self.folder.has(f"{SECTIONS}/{name}.json")]
        self.folder.note(finished=True, sections=written)
        self.folder.store.drop_arrays()
        return 0

    def rescored(self) -> list[str]:
        """Keys of the runs whose jets are scored again after all have ended: the first network of each detector."""
        if "stability" not in self.sections or (self.folder.path / SECTIONS / "stability.json").exists():
            return []
        first: dict[str, str] = {}
        for run_spec in sorted(self.runs, key=lambda e: (e.encoder_seed or 0, e.autoencoder_seed or 0)):
            for name in run_spec.detectors if "methods" in run_spec.sections else ():
                first.setdefault(name, run_spec.key)
        return list(dict.fromkeys(first.values()))

    def drop_arrays(self, left: list[RunSpec]) -> None:
        """Free the disk of representations that none of those who are left will ask for."""
        wanted = {run_spec.trains.get("representation") for run_spec in left}
        names = {e.key: e.trains.get("representation") for e in self.runs}
        finished = [r["stages"] for r in self.records() if names.get(r["key"]) not in wanted]
        idle = {stages["representation"] for stages in finished if "representation" in stages}
        self.folder.store.drop_arrays(of=idle)

    def finalize(self, session: Session) -> Generator[JobList, dict[str, Outcome], None]:
        """Compute the sections: what belongs to the study as a whole."""
        from darkclr_ray.runtime.trials import JobList
        from darkclr_ray.study import analyses as sections

        records = self.records()
        for name in self.sections:
            path = self.folder.path / SECTIONS / f"{name}.json"
            if path.exists():
                continue
            session.display.say(f"section {name}")
            done = sections.AnalysisInput(self.settings, self.folder, self.runs, self.scan, session, records)
            jobs = sections.JOBS[name](done) if name in sections.JOBS else {}
            done.outcomes = yield JobList(jobs)  # also where there are none: an interrupted study ends here
            try:
                content = sections.SECTIONS[name](done)
            except ValueError as error:  # too few jets for it, for example: the rest of the study is none the worse
                session.display.say(f"section {name} is left out: {error}")
                continue
            if content is not None:
                write_json(path, {"name": name, **content})

    def record(self, run_spec: RunSpec, outcome: Outcome, jets: StudyJets) -> dict[str, Any]:
        """What is kept of a run."""
        stages = outcome.result.get("stages", {})
        judged = evaluation_of(self.folder, stages) if "evaluation" in stages else {}
        trained = outcome.result.get("detectors", {})
        detectors = {name: {**facts, "stages": trained.get(name, {})} for name, facts in run_spec.detectors.items()}
        counts = jets.counts["train"]
        background, signal = self.settings.background, self.settings.supervised.signal
        mixed = round(run_spec.fraction * counts[background])
        used = {
            "background": background,
            "jets": counts[background],
            "signal": signal if run_spec.labels or mixed else None,
            "signal_jets": counts[signal] if run_spec.labels else mixed,
            "labels": run_spec.labels,
            "fraction": run_spec.fraction,
        }
        parameters = dict(run_spec.parameters) | {name: judged[name] for name in ("dimension",) if name in judged}
        return {
            "key": run_spec.key,
            "kind": "linear_classifier" if "fold_aucs" in judged else "detectors",
            "label": run_spec.label,
            "sections": list(run_spec.sections),
            "state": "COMPLETE" if outcome.state == "finished" else "FAIL",
            "reason": outcome.reason,
            "seeds": {"encoder": run_spec.encoder_seed, "autoencoder": run_spec.autoencoder_seed},
            "parameters": parameters,
            "detectors": detectors,
            "trained_on": {**used, "words": trained_words(used)},
            "selected_on": self.selected_on(run_spec),
            "stages": stages,
            "seconds": outcome.result.get("seconds", {}),
            "validation": judged.get("validation", {}),
            "test": judged.get("test", {}),
            **{name: judged[name] for name in ("signal_blind", "objectives", "chains", "fold_aucs") if name in judged},
            "warnings": judged.get("warnings", []),
        }

    def selected_on(self, run_spec: RunSpec) -> dict[str, str]:
        """Which jets chose what, in words."""
        epoch = "; ".join(chosen_epochs(run_spec))
        known = preset(self.preset)
        seen = (
            f"those of the preset {self.preset!r}, which were chosen with a look at the starter set's validation and "
            f"test jets"
            if self.preset == "laptop"
            else f"those of the preset {self.preset!r}, chosen on none of these jets"
        )
        if any(getattr(self.settings, group) != getattr(known, group) for group in CHOSEN):
            seen += "; changes to them were given with the command, chosen on jets that it does not tell"
        return {"epoch": epoch, "settings": seen, "words": f"{epoch or 'no epoch'}; settings: {seen}"}

    def plan(self, estimate: Estimate, session: Session) -> str:
        """What is about to happen, in a few lines."""
        counts = session.jets.counts
        judged = sum(sum(samples.values()) for split, samples in counts.items() if split != "train")
        trained = ", ".join(f"{number} {name}" for name, number in counts["train"].items())
        before = f" ({self.ended} finished before)" if self.ended else ""
        return "\n".join(
            [
                f"runs   {self.total}{before}, then {', '.join(self.sections) or 'nothing'}",
                f"jets       {trained} to train on, {judged} to judge",
                f"resources  {session.allocation}",
                f"time       about {duration(estimate.seconds)}",
            ]
        )


def chosen_epochs(run_spec: RunSpec) -> list[str]:
    """What chose the epoch of each of a run's trainings."""
    from darkclr_ray.detectors import registry

    settings, words = run_spec.job.settings, []
    for entry in filter(None, (facts["entry"] for facts in run_spec.detectors.values())):
        settings = settings.updated(getattr(registry.find(entry), "overrides", {}))
    if "representation" in run_spec.trains:
        words.append("of an encoder that of lowest training loss")
    if "energy" in run_spec.trains:
        by_views = "that whose energy best tells training jets from their own anomalous views"
        words.append(f"of an autoencoder's pre-training {by_views if settings.nae.views_p_drop else 'the last'}")
        if settings.nae.divergence_epochs:
            words.append("of its contrastive divergence that with the energy difference closest to zero")
    if "supervised" in run_spec.trains:
        held_out = f"{settings.supervised.validation:.0%} of its jets, held out"
        words.append(f"of a supervised network that of lowest loss on {held_out}")
    if "views_classifier" in run_spec.detectors and settings.views_classifier.hidden:
        words.append("of a views' classifier with hidden layers that of best score on 10% of its rows, held out")
    return words


def has_trials(scan: Path) -> bool:
    """Whether a folder is that of an embedding scan with trials."""
    return any((scan / "trials").glob("*.json"))


def expected(runs: list[RunSpec], session: Session, cost: dict[str, float], rescored: Sequence[str] = ()) -> Estimate:
    """Estimate the seconds of what is left. What runs share, the first of them trains.

    Args:
        runs: those that are left.
        session: that trains them.
        cost: measured seconds, see `darkclr_ray.study.calibration.calibrate`.
        rescored: keys of runs whose test jets are scored again after small changes of them.
    """
    from darkclr_ray.augmentations.perturbations import PERTURBATIONS

    settings, jets = session.settings, session.jets
    nae, counts = settings.nae, jets.counts["train"]
    signal = sum(number for name, number in counts.items() if name != settings.background)
    alone = (1 + signal / counts[settings.background]) / 3  # one view instead of three
    seconds = {
        "representation": cost["encoder_epoch"] * settings.contrastive.epochs,
        "supervised": cost["encoder_epoch"] * settings.supervised.epochs * alone,
        "energy": nae.reconstruction_epochs * cost["reconstruction_epoch"]
        + nae.divergence_epochs * cost["divergence_epoch"],
    }
    judged = sum(sum(samples.values()) for samples in jets.counts.values())
    scores = cost["jet"] * judged / session.allocation.workers + OVERHEAD
    begun: set[tuple[str, str]] = set()
    plan = {}
    for run_spec in runs:
        new = {stage: name for stage, name in run_spec.trains.items() if (stage, name) not in begun}
        begun |= set(new.items())
        plan[run_spec.key] = {**{stage: seconds[stage] for stage in new}, "scores": scores}
    limit = settings.comparison.stability_jets
    changed = sum(min(limit, number) for number in jets.counts["test"].values()) * (1 + len(PERTURBATIONS))
    for key in rescored:
        plan[f"stability-{key}"] = {"stability": cost["jet"] * changed / session.allocation.workers}
    return Estimate(plan, session.allocation.worker_groups)


def trained_words(used: dict[str, Any]) -> str:
    """What something was trained on, for a caption.

    >>> trained_words({"background": "qcd", "jets": 12000, "signal": None, "signal_jets": 0, "labels": False})
    '12,000 qcd jets, without labels'
    """
    background = f"{used['jets']:,} {used['background']} jets"
    if used["labels"]:
        return f"{background} and {used['signal_jets']:,} {used['signal']} jets, with labels"
    if used["signal_jets"]:
        return f"{background}, {used['signal_jets']:,} of them replaced by {used['signal']} jets, without labels"
    return f"{background}, without labels"


def summary(record: dict[str, Any]) -> str:
    """One line on a run that has ended."""
    if record["state"] != "COMPLETE":
        return f"failed: {record['reason']}"
    parts = []
    for name, signals in record["test"].items():
        signal, evaluation = next(iter(signals.items()))
        parts.append(f"{name} {evaluation['matched']['rejection']['0.2']['value']:.1f}")
    return f"matched rejection on {signal}: {', '.join(parts)}"
