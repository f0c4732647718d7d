"""Embedding scan: a search over embedding dimension, p_drop and Langevin step size, with references."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from darkclr_ray.messages import nearest
from darkclr_ray.study import objectives
from darkclr_ray.study.detector_spec import SCORES
from darkclr_ray.study.folder import DERIVED, SECTIONS
from darkclr_ray.study.jets import StudyJets
from darkclr_ray.study.records import References
from darkclr_ray.study.run import Study
from darkclr_ray.study.samplers import make_pruner, make_sampler, rungs
from darkclr_ray.study.space import Space

if TYPE_CHECKING:
    from darkclr_ray.runtime.trials import Program
    from darkclr_ray.study.session import Session
    from darkclr_ray.study.tuning import Tuning


def check_label_free(score: str) -> None:
    """Raise ValueError unless a detector of this name exists and is fitted on background only."""
    from darkclr_ray.detectors import registry  # torch, which a refusal does not wait for
    from darkclr_ray.jets.packed import TrainingSample

    known = dict.fromkeys((*SCORES, *registry.names()))
    if score not in known:
        raise ValueError(f"search.score = {score}: unknown score{nearest(score, known)}")
    if registry.find(score).sample_type() is not TrainingSample:
        raise ValueError(f"search.score = {score}: it is trained with labels; name a detector that needs none")


class EmbeddingScan(Study):
    """Study whose trials are suggested by Optuna, with references on the same jets."""

    kind = "embedding_scan"
    what = "trials"
    extendable = True
    signals: Sequence[str] = ()
    """Of the jets, once these are open."""

    def check(self) -> None:
        search = self.settings.search
        objectives.check_all(search)
        if search.score not in SCORES:
            check_label_free(search.score)
        super().check()
        space = Space(self.settings)
        space.check()
        if not self.folder.optuna.exists():
            space.initial_points()
        make_sampler(search, space, self.settings.seed, 0)
        make_pruner(search, rungs(self.settings.contrastive.epochs))

    def open(self) -> StudyJets:
        """Return the jets. Raises ValueError if they are missing, or the objective names an unknown signal."""
        jets = super().open()
        self.signals = jets.signals(self.settings.background)
        search = self.settings.search
        objectives.check_all(search, self.signals)
        for name in (search.objective, *search.further_objectives):
            if name not in objectives.COSTS:
                objectives.find(name, self.signals)
        return jets

    @property
    def total(self) -> int:
        return self.settings.search.trials

    @property
    def most_at_once(self) -> int:
        return min(self.total, self.settings.search.delay)

    @property
    def ended(self) -> int:
        return len(self.folder.trial_records())

    def finished(self) -> bool:
        """Return whether all trials have ended, and the references and best model belong to the best of them."""
        if not self.folder.has("study.json", "references.json", "best", *DERIVED) or self.ended < self.total:
            return False
        search, about, records = self.settings.search, self.folder.about(), self.folder.trial_records()
        if about is None or about.criteria not in (None, objectives.criteria_of(search, self.signals)):
            return False
        if not self.folder.has(*(f"{SECTIONS}/{name}.json" for name in about.sections)):
            return False
        score = search.score if search.score in SCORES else about.score
        complete = [record for record in records if record.state == "COMPLETE"]
        if not all(objectives.is_current(record, search, score, self.signals) for record in complete):
            return False
        references = References.read(self.folder.path / "references.json").root
        stages = [record.stages for record in records]
        stages += [reference.stages for reference in references.values()]
        if not all(map(self.folder.has_stages, stages)):
            return False
        best = self.folder.selected(search)
        return best is not None and about.best == best.number

    def work(self, session: Session) -> int:
        from darkclr_ray.study.tuning import Tuning

        tuning = Tuning(session)
        return session.run(self.program(session, tuning), tuning.scheduler)

    def program(self, session: Session, tuning: Tuning) -> Program:
        """Recompute missing results, run the remaining trials and then the references; see `Program`."""
        from darkclr_ray.study.plan import Plan

        cost = yield from session.calibrate()
        plan = Plan(self.settings, session.allocation, self.ended, session.jets.counts, cost)
        session.display.print_line(str(plan))
        session.set_estimate(plan.estimate)
        yield from tuning.recompute()
        yield tuning.search()
        if self.folder.best() is None:
            session.display.print_line(
                f"no trial was completed; {self.folder.trials} has the reasons, and {self.folder.logs} the details. "
                f"The same command changes nothing: correct the cause, and start a new study with another --name"
            )
            return 1
        yield from tuning.repeat()
        yield from tuning.finalize()
        return 0
