"""The embedding scan: a search over embedding dimension, p_drop and Langevin step size, and reference points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from darkclr_ray.store.files import read_json
from darkclr_ray.study import objectives
from darkclr_ray.study.detector_spec import SCORES
from darkclr_ray.study.folder import DERIVED
from darkclr_ray.study.jets import StudyJets
from darkclr_ray.study.run import Study
from darkclr_ray.study.samplers import make_pruner, make_sampler, rungs
from darkclr_ray.study.space import Space

if TYPE_CHECKING:
    from darkclr_ray.runtime.trials import Program
    from darkclr_ray.study.session import Session
    from darkclr_ray.study.tuning import Tuning


class EmbeddingScan(Study):
    """Trials that Optuna asks for; the best of them, and references on the same jets."""

    kind = "embedding_scan"
    what = "trials"
    extendable = True
    signals: Sequence[str] = ()
    """Of the jets, once these are open."""

    def check(self) -> None:
        search = self.settings.search
        objectives.check_all(search)
        if search.score not in SCORES:
            self.check_score(search.score)
        super().check()
        space = Space(self.settings)
        space.check()
        if not self.folder.optuna.exists():
            space.initial_points()
        make_sampler(search, space, self.settings.seed, 0)
        make_pruner(search, rungs(self.settings.contrastive.epochs))

    def open(self) -> StudyJets:
        """Raises ValueError also for an objective that names a signal that is not there."""
        jets = super().open()
        self.signals = jets.signals(self.settings.background)
        search = self.settings.search
        objectives.check_all(search, self.signals)
        for name in (search.objective, *search.further_objectives):
            if name not in objectives.COSTS:
                objectives.find(name, self.signals)
        return jets

    def check_score(self, score: str) -> None:
        """Raise ValueError for a score that no detector gives, or one that is trained with labels."""
        from darkclr_ray.detectors import registry
        from darkclr_ray.jets.labelled import LabelledSample

        try:
            found = registry.find(score)
        except ValueError as error:
            raise ValueError(f"search.score = {score}: {error}") from None
        if found.sample_type() is LabelledSample:
            raise ValueError(f"search.score = {score}: it is trained with labels; name a detector without labels")

    @property
    def total(self) -> int:
        return self.settings.search.trials

    @property
    def ended(self) -> int:
        return len(self.folder.endings())

    def finished(self) -> bool:
        """Whether all trials have ended, and the last conclusions are about the best of them: more may have come."""
        if not self.folder.has("study.json", "references.json", "best", *DERIVED) or self.ended < self.total:
            return False
        search, about = self.settings.search, self.folder.about()
        score = search.score if search.score in SCORES else str(about.get("score"))
        if about.get("judged") not in (None, objectives.judged_by(search, self.signals)):
            return False
        complete = [record for record in self.folder.endings() if record["state"] == "COMPLETE"]
        if not all(objectives.is_current(record, search, score, self.signals) for record in complete):
            return False
        records = [*self.folder.endings(), *read_json(self.folder.path / "references.json").values()]
        if not all(self.folder.has_stages(record) for record in records):
            return False
        best = self.folder.selected(search)
        return best is not None and self.folder.about().get("best") == best["number"]

    def work(self, session: Session) -> int:
        from darkclr_ray.study.tuning import Tuning

        tuning = Tuning(session)
        return session.run(self.program(session, tuning), tuning.scheduler)

    def program(self, session: Session, tuning: Tuning) -> Program:
        """Make damaged trials complete, run those that are left, then the reference points; see `Program`."""
        from darkclr_ray.study.plan import Plan

        cost = yield from session.calibrate()
        plan = Plan(self.settings, session.allocation, self.ended, session.jets.counts, cost)
        session.display.say(str(plan))
        session.expect(plan.estimate)
        yield from tuning.recompute()
        yield tuning.search()
        if self.folder.best() is None:
            session.display.say(
                f"no trial was completed; {self.folder.trials} says why, and {self.folder.logs} has the details. The "
                f"same command changes nothing: mend the cause, and start a new study with another --name"
            )
            return 1
        yield from tuning.repeat()
        yield from tuning.finalize()
        return 0
