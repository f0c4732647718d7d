"""The embedding scan: a search over embedding dimension, p_drop and Langevin step size, and reference points."""

from __future__ import annotations

from typing import TYPE_CHECKING

from darkclr_ray.messages import nearest
from darkclr_ray.study import objectives
from darkclr_ray.study.detector_spec import SCORES
from darkclr_ray.study.folder import DERIVED
from darkclr_ray.study.jets import StudyJets
from darkclr_ray.study.records import References
from darkclr_ray.study.run import Study

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
    """Trials that Optuna asks for; the best of them, and references on the same jets."""

    kind = "embedding_scan"
    what = "trials"

    def check(self) -> None:
        search = self.settings.search
        objectives.check(search.objective)
        if search.score not in SCORES:
            check_label_free(search.score)
        super().check()

    def open(self) -> StudyJets:
        """Raises ValueError also for an objective that names a signal that is not there."""
        jets = super().open()
        signals = [name for name in jets.judged["validation"] if name != self.settings.background]
        objectives.find(self.settings.search.objective, signals)
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
        """Whether all trials have ended, and the last conclusions are about the best of them: more may have come."""
        if not self.folder.has("study.json", "references.json", "best", *DERIVED) or self.ended < self.total:
            return False
        references = References.read(self.folder.path / "references.json").root
        stages = [record.stages for record in self.folder.trial_records()]
        stages += [reference.stages for reference in references.values()]
        if not all(map(self.folder.has_stages, stages)):
            return False
        best, about = self.folder.best(), self.folder.about()
        return best is not None and about is not None and about.best == best.number

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
        yield from tuning.finalize()
        return 0
