"""Studies that compare detectors: runs are trained and evaluated, then the whole comparison is analysed."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from darkclr_ray.presets import preset
from darkclr_ray.study.artifacts import evaluation_of
from darkclr_ray.study.folder import DERIVED, SECTIONS, StudyFolder
from darkclr_ray.study.jets import StudyJets, open_study_jets, with_labelled
from darkclr_ray.study.plan import OVERHEAD, Estimate, duration
from darkclr_ray.study.records import DetectorRecord, RunRecord, Seeds, SelectedOn, TrainedOn
from darkclr_ray.study.run import Study

if TYPE_CHECKING:
    from darkclr_ray.runtime.outcome import Outcome
    from darkclr_ray.runtime.trials import JobList, Program
    from darkclr_ray.study.run_specs import RunSpec
    from darkclr_ray.study.session import Session

RUNS = "runs"

CHOSEN = (
    *("inputs", "views", "encoder", "contrastive", "nae", "views_classifier", "views_network", "supervised"),
    *("image_nae", "dirichlet_vae", "inn", "kmeans", "wnae"),
)
"""Groups of settings that affect a detector's performance and were selected on some jets."""


class Comparison(Study):
    """Base class of studies whose jobs are runs that are known beforehand."""

    what = "runs"
    sections: tuple[str, ...] = ()
    """Names of the analyses that follow when all runs have ended, see `darkclr_ray.study.analyses`."""

    @abstractmethod
    def expand_runs(self) -> list[RunSpec]:
        """Return the runs of the study; a run may occur more than once."""

    @cached_property
    def runs(self) -> list[RunSpec]:
        """Runs of the study, each once; runs whose encoders others share come first."""
        from darkclr_ray.study.run_specs import deduplicate

        return deduplicate(self.expand_runs())

    def check(self) -> None:
        """Raise ValueError for unknown names in the settings, detectors, or a missing embedding scan."""
        super().check()
        scan = self.settings.comparison.scan
        if scan is not None and not has_trials(Path(scan)):
            raise ValueError(f"comparison.scan = {scan}: no embedding scan with trials in this folder")
        if scan is not None:
            StudyFolder(Path(scan)).trial_records()
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
        """Folder of the embedding scan whose selection is analysed; None if there is none."""
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
        """Return the final state of each run that has ended, by key."""
        return {record.key: record.state for record in self.records()}

    def records(self) -> list[RunRecord]:
        """Return the records of the runs that have ended, by their files' names."""
        return [RunRecord.read(path) for path in sorted((self.folder.path / RUNS).glob("*.json"))]

    def finished(self) -> bool:
        about = self.folder.about()
        if about is None or not about.finished:
            return False
        if not self.folder.has(*DERIVED, *(f"{SECTIONS}/{name}.json" for name in about.sections)):
            return False
        there = {record.key for record in self.records() if self.folder.has_stages(record.stages)}
        return there >= {run_spec.key for run_spec in self.runs}

    def work(self, session: Session) -> int:
        return session.run(self.program(session))

    def program(self, session: Session) -> Program:
        """Train and evaluate the runs that are left, then compute the analyses; see `Program`."""
        from darkclr_ray.runtime.trials import JobList

        cost = yield from session.calibrate()
        ended: dict[str, str] = {
            record.key: record.state for record in self.records() if self.folder.has_stages(record.stages)
        }
        for key in sorted(self.states().keys() - ended.keys()):
            session.display.print_line(
                f"{key}: results are missing in {self.folder.store.folder}; they are computed again"
            )
        left = [run_spec for run_spec in self.runs if run_spec.key not in ended]
        session.count(ended)
        estimate = expected(left, session, cost, rescored=self.rescored())
        session.set_estimate(estimate)
        session.display.print_line(self.plan(estimate, session))
        by_key = {run_spec.key: run_spec for run_spec in left}

        def on_end(key: str, outcome: Outcome) -> None:
            self.folder.note_computed(outcome.result)
            record = self.record(by_key[key], outcome, session.jets)
            record.write(self.folder.path / RUNS / f"{key}.json")
            ended[key] = record.state
            session.count(ended)
            for line in outcome.result.get("recomputed", ()):
                session.display.print_line(line)
            session.display.print_line(f"{key}: {summary(record)}")
            self.drop_arrays([run_spec for run_spec in left if run_spec.key not in ended])

        yield JobList({run_spec.key: run_spec.job for run_spec in left}, on_end)
        if "COMPLETE" not in ended.values():
            session.display.print_line(
                f"no run was completed; {self.folder.path / RUNS} has the reasons, and {self.folder.logs} the details. "
                f"The same command changes nothing: correct the cause, and start a new study with another --name"
            )
            return 1
        yield from self.finalize(session)
        written = [name for name in self.sections if self.folder.has(f"{SECTIONS}/{name}.json")]
        self.folder.note(finished=True, sections=written)
        self.folder.store.drop_arrays()
        return 0

    def rescored(self) -> list[str]:
        """Return the keys of the runs whose jets are scored again at the end: the first network of each detector."""
        if "stability" not in self.sections or (self.folder.path / SECTIONS / "stability.json").exists():
            return []
        first: dict[str, str] = {}
        for run_spec in sorted(self.runs, key=lambda e: (e.encoder_seed or 0, e.autoencoder_seed or 0)):
            for name in run_spec.detectors if "methods" in run_spec.sections else ():
                first.setdefault(name, run_spec.key)
        return list(dict.fromkeys(first.values()))

    def drop_arrays(self, left: list[RunSpec]) -> None:
        """Delete representations that no remaining run needs."""
        wanted = {run_spec.trains.get("representation") for run_spec in left}
        names = {e.key: e.trains.get("representation") for e in self.runs}
        finished = [record.stages for record in self.records() if names.get(record.key) not in wanted]
        idle = {stages["representation"] for stages in finished if "representation" in stages}
        self.folder.store.drop_arrays(of=idle)

    def finalize(self, session: Session) -> Generator[JobList, dict[str, Outcome], None]:
        """Part of a program: compute the analyses of the whole comparison."""
        from darkclr_ray.runtime.trials import JobList
        from darkclr_ray.study import analyses as sections

        records = self.records()
        for name in self.sections:
            path = self.folder.path / SECTIONS / f"{name}.json"
            if path.exists():
                continue
            session.display.print_line(f"analysis {name}")
            done = sections.AnalysisInput(self.settings, self.folder, self.runs, self.scan, session, records)
            jobs = sections.JOBS[name](done) if name in sections.JOBS else {}
            done.outcomes = yield JobList(jobs)  # also where there are none: an interrupted study ends here
            try:
                content = sections.SECTIONS[name](done)
            except ValueError as error:  # too few jets for it, for example; the other analyses are not affected
                session.display.print_line(f"analysis {name} is left out: {error}")
                continue
            if content is not None:
                content.write(path)

    def record(self, run_spec: RunSpec, outcome: Outcome, jets: StudyJets) -> RunRecord:
        """Return the record of a run that has ended."""
        stages = outcome.result.get("stages", {})
        evaluation = evaluation_of(self.folder, stages)
        trained = outcome.result.get("detectors", {})
        detectors = {
            name: DetectorRecord(**facts, stages=trained.get(name, {})) for name, facts in run_spec.detectors.items()
        }
        counts = jets.counts["train"]
        background, signal = self.settings.background, self.settings.supervised.signal
        mixed = round(run_spec.fraction * counts[background])
        used = TrainedOn(
            background=background,
            jets=counts[background],
            signal=signal if run_spec.labels or mixed else None,
            signal_jets=counts[signal] if run_spec.labels else mixed,
            labels=run_spec.labels,
            fraction=run_spec.fraction,
        )
        names = {"signal_blind", "objectives", "encoders", "chains", "fold_aucs"} & evaluation.model_fields_set
        measured = {} if evaluation.dimension is None else {"dimension": evaluation.dimension}
        return RunRecord(
            key=run_spec.key,
            kind="linear_classifier" if evaluation.fold_aucs else "detectors",
            label=run_spec.label,
            sections=list(run_spec.sections),
            state="COMPLETE" if outcome.state == "finished" else "FAIL",
            reason=outcome.reason,
            seeds=Seeds(encoder=run_spec.encoder_seed, autoencoder=run_spec.autoencoder_seed),
            parameters=dict(run_spec.parameters) | measured,
            detectors=detectors,
            trained_on=used.model_copy(update={"words": trained_words(used)}),
            selected_on=self.selected_on(run_spec),
            stages=stages,
            kernels=outcome.result.get("kernels", {}),
            seconds=outcome.result.get("seconds", {}),
            **{name: getattr(evaluation, name) for name in names | {"validation", "test", "warnings"}},
        )

    def selected_on(self, run_spec: RunSpec) -> SelectedOn:
        """Return the criteria and jets that selected epochs and settings, as text."""
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
        return SelectedOn(epoch=epoch, settings=seen, words=f"{epoch or 'no epoch'}; settings: {seen}")

    def plan(self, estimate: Estimate, session: Session) -> str:
        """Return the runs, jets, resources and estimated time, as lines for the screen."""
        counts = session.jets.counts
        evaluated = sum(sum(samples.values()) for split, samples in counts.items() if split != "train")
        trained = ", ".join(f"{number} {name}" for name, number in counts["train"].items())
        before = f" ({self.ended} finished before)" if self.ended else ""
        return "\n".join(
            [
                f"runs       {self.total}{before}, then {', '.join(self.sections) or 'nothing'}",
                f"jets       {trained} for training, {evaluated} to evaluate",
                f"resources  {session.allocation}",
                f"time       about {duration(estimate.seconds)}",
            ]
        )


EPOCH_TEXT = {
    "image_nae": "of an autoencoder on images the last of its pre-training, then that with the energy difference "
    "closest to zero",
    "dirichlet_vae": "of a Dirichlet VAE the last",
    "inn": "of an INN the last",
    "wnae": "of a Wasserstein autoencoder the last of its pre-training, then that of smallest Wasserstein distance",
}
"""What chooses the epoch of a detector whose settings are in the group."""


def chosen_epochs(run_spec: RunSpec) -> list[str]:
    """Return the criterion that selects the epoch of each training of a run, as text."""
    from darkclr_ray.detectors import registry

    settings, words = run_spec.job.settings, []
    groups: set[str] = set()
    for entry in filter(None, (facts["entry"] for facts in run_spec.detectors.values())):
        cls = registry.find(entry)
        settings = settings.updated(getattr(cls, "overrides", {}))
        groups.update((getattr(cls, "group", ""), *getattr(cls, "groups", ())))
    if "representation" in run_spec.trains:
        words.append("of an encoder that of lowest loss on validation background")
    if "energy" in run_spec.trains:
        by_views = "that whose energy best separates training jets from their own anomalous views"
        words.append(f"of an autoencoder's pre-training {by_views if settings.nae.views_p_drop else 'the last'}")
        if settings.nae.divergence_epochs:
            by_area = settings.nae.divergence_selection == "views" and settings.nae.views_p_drop
            criterion = "of largest area for these views" if by_area else "with the energy difference closest to zero"
            words.append(f"of its contrastive divergence that {criterion}")
    if "supervised" in run_spec.trains:
        held_out = f"{settings.supervised.validation:.0%} of its jets, held out"
        words.append(f"of a supervised network that of lowest loss on {held_out}")
    if "views_classifier" in run_spec.detectors and settings.views_classifier.hidden:
        words.append("of a views' classifier with hidden layers that of best score on 10% of its rows, held out")
    return words + [text for group, text in EPOCH_TEXT.items() if group in groups]


def has_trials(scan: Path) -> bool:
    """Return whether a folder is that of an embedding scan with trials."""
    return any((scan / "trials").glob("*.json"))


def expected(runs: list[RunSpec], session: Session, cost: dict[str, float], rescored: Sequence[str] = ()) -> Estimate:
    """Estimate the seconds that are left. The first of several runs with a common training trains it.

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
    evaluated = sum(sum(samples.values()) for samples in jets.counts.values())
    scores = cost["jet"] * evaluated / session.allocation.workers + OVERHEAD
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


def trained_words(used: TrainedOn) -> str:
    """Return the training jets of a run as text for a caption.

    >>> trained_words(TrainedOn(background="qcd", jets=12000))
    '12,000 qcd jets, without labels'
    """
    background = f"{used.jets:,} {used.background} jets"
    if used.labels:
        return f"{background} and {used.signal_jets:,} {used.signal} jets, with labels"
    if used.signal_jets:
        return f"{background}, {used.signal_jets:,} of them replaced by {used.signal} jets, without labels"
    return f"{background}, without labels"


def summary(record: RunRecord) -> str:
    """Return one line on a run that has ended."""
    if record.state != "COMPLETE":
        return f"failed: {record.reason}"
    parts = []
    for name, signals in record.test.items():
        signal, evaluation = next(iter(signals.items()))
        parts.append(f"{name} {evaluation.matched.at(0.2).value:.1f}")
    return f"matched rejection on {signal}: {', '.join(parts)}"
