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

MULTIPLICITY = ("darkclr_ray.detectors.multiplicity:Multiplicity",)
OBSERVABLES = ("darkclr_ray.detectors.views_observables:ViewsObservables",)
"""The label-free reference of a search: it depends on no point of the search, and is trained in seconds."""


SCORES = ("s_NAE", "s_CLR", "s_AE")
"""Names of the scores of `DARKCLR`."""


def detectors_of_trial(score: str) -> tuple[str, ...]:
    """Return the detectors of a trial: `DARKCLR`, and the one that objectives judge, if it is another one.

    >>> detectors_of_trial("s_CLR") == DARKCLR, detectors_of_trial("isolation_forest")[-1]
    (True, 'isolation_forest')
    """
    return DARKCLR if score in SCORES else (*DARKCLR, score)


@dataclass(frozen=True)
class DetectorSpec:
    """Fit detectors on background, score all jets, judge the scores.

    Attributes:
        settings: of this trial.
        detectors: by name or as module:name (`darkclr_ray.detectors.registry`), in the order in which they are fitted.
        score: detector that objectives judge, by its name or as in ``detectors``.
        rungs: epochs of the encoder after which it is judged provisionally.
        fraction: share of the training background that is jets of the signal `supervised.signal` instead.
        seed: of what judges the scores, where that is not the settings': what is compared shares all draws.
    """

    settings: StudySettings
    detectors: tuple[str, ...] = DARKCLR
    score: str = "s_NAE"
    rungs: tuple[int, ...] = ()
    fraction: float = 0.0
    seed: int | None = None
