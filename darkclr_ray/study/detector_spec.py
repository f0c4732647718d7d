"""Specification of a job that fits and evaluates detectors: settings and names only, light to import."""

from __future__ import annotations

from dataclasses import dataclass

from darkclr_ray.settings import StudySettings

DARKCLR = (
    "darkclr_ray.detectors.darkclr:EncoderNorm",
    "darkclr_ray.detectors.darkclr:EncoderEnergy",
    "darkclr_ray.detectors.darkclr:PlainEnergy",
)
"""The detectors of a trial: s_CLR, s_NAE, and s_AE, the autoencoder before it was normalised."""

SCORES = ("s_NAE", "s_CLR", "s_AE")
"""Names of the scores of `DARKCLR`."""

MULTIPLICITY = ("darkclr_ray.detectors.multiplicity:Multiplicity",)
OBSERVABLES = ("darkclr_ray.detectors.views_observables:ViewsObservables",)
"""Label-free reference of a search; it does not depend on the searched parameters and trains in seconds."""


@dataclass(frozen=True)
class DetectorSpec:
    """Specification of a job that fits detectors on background, scores all jets and evaluates the scores.

    Attributes:
        settings: settings of the trial.
        detectors: by name or as module:name (`darkclr_ray.detectors.registry`), in the order in which they are fitted.
        score: detector for which the objectives are computed, by its name or as in ``detectors``.
        rungs: epochs of the encoder after which the objective is estimated for pruning.
        fraction: fraction of the training background that is replaced by jets of the signal `supervised.signal`.
        seed: seed of the evaluation; None for that of the settings. Compared runs share all draws.
    """

    settings: StudySettings
    detectors: tuple[str, ...] = DARKCLR
    score: str = "s_NAE"
    rungs: tuple[int, ...] = ()
    fraction: float = 0.0
    seed: int | None = None


def trial_detectors(settings: StudySettings) -> tuple[str, ...]:
    """Return the detectors of a trial: those of DarkCLR, and the one that the search evaluates if it is another.

    >>> settings = StudySettings(search={"score": "views_classifier"})
    >>> trial_detectors(StudySettings()) == DARKCLR, trial_detectors(settings)[-1]
    (True, 'views_classifier')
    """
    return DARKCLR if settings.search.score in SCORES else (*DARKCLR, settings.search.score)
