"""Check of a detector against the interface of `AnomalyDetector`: `check_detector`."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from darkclr_ray.detectors.base import AnomalyDetector
from darkclr_ray.jets.labelled import LabelledSample
from darkclr_ray.jets.packed import Jets, TrainingSample
from darkclr_ray.testing.toys import copied, toy_jets
from darkclr_ray.training.trainer import Trainer

Scores = NDArray[np.float64]

NUMERICAL_NOISE = 1e-3
"""Largest difference, as a fraction of the range of the scores, that is attributed to rounding."""


def check_detector(
    factory: Callable[[], AnomalyDetector[Any]],
    sample: TrainingSample | LabelledSample | None = None,
    jets: Jets | None = None,
    *,
    runner: Callable[[], Trainer] = lambda: Trainer(device="cpu", threads=1),
) -> None:
    """Raise AssertionError unless a detector satisfies the interface of `AnomalyDetector`.

    The check requires that:

    - the detector has a name, a title and a supported sample type;
    - scores are finite float64, one per jet, and equal after a second fit;
    - scores do not depend on ids, events, the order of constituents of equal pT, the other jets or their number, also
      for a single jet;
    - the jets are not changed;
    - a saved and loaded detector gives the same scores, and its files contain no code;
    - `score` raises ValueError before the fit, unless it needs no fit.

    Args:
        factory: function that returns a new detector that is not fitted, the same one each time.
        sample: sample for the fit; None for 96 toy jets, of each class if the detector needs labels.
        jets: jets to score, with at most as many constituents as the detector's inputs keep; None for 40 toy jets.
        runner: function that returns the trainer for the detector.
    """
    detector = factory()
    check_description(detector)
    sample = toy_sample(type(detector)) if sample is None else sample
    check_sample(detector, sample)
    jets = toy_jets(40, seed=3) if jets is None else jets
    check_before_the_fit(detector, jets)
    kept = copied(jets)
    fitted = fit(detector, sample, runner())
    assert fitted is detector, f"{named(detector)}.fit returned {fitted!r}; end it with `return self`"
    scores = check_scores(detector, jets)
    check_fit_again(factory, sample, jets, scores, runner)
    check_untold(detector, jets, scores)
    check_tied_order(detector, jets)
    check_company(detector, jets, scores)
    check_saved(detector, jets, scores, runner)
    for name, before in kept.items():
        assert np.array_equal(before, getattr(jets, name)), (
            f"{named(detector)} changed the {name} of the jets it was given; work on a copy"
        )


def toy_sample(detector: type[AnomalyDetector[Any]]) -> TrainingSample | LabelledSample:
    """Return toy jets of the sample type of a detector's class; the toy signal has fewer constituents."""
    if detector.sample_type() is LabelledSample:
        return LabelledSample(toy_jets(96, seed=1), toy_jets(96, seed=2, most=8))
    return TrainingSample(toy_jets(96, seed=1))


def check_description(detector: AnomalyDetector[Any]) -> None:
    """Raise AssertionError unless the detector has a name, a title and a supported sample type."""
    for field, purpose in (("name", "short and unique, for scores.parquet"), ("title", "for legends and tables")):
        text = getattr(detector, field, None)
        good = isinstance(text, str) and text != "" and text == text.strip()
        assert good, f"{named(detector)} needs a class attribute {field}: a text, {purpose}; found {text!r}"
    try:
        fitted_on = type(detector).sample_type()
    except ValueError as error:
        raise AssertionError(str(error)) from None
    assert fitted_on in (TrainingSample, LabelledSample), (
        f"{named(detector)} is fitted on {fitted_on.__name__}; only TrainingSample, which holds no label, and "
        f"LabelledSample, for a supervised reference, are handed to detectors"
    )


def check_sample(detector: AnomalyDetector[Any], sample: TrainingSample | LabelledSample) -> None:
    """Raise AssertionError unless the sample has the type that the detector declares.

    This ensures that only detectors which are declared as supervised get labels.
    """
    fitted_on = type(detector).sample_type()
    assert type(sample) is fitted_on, (
        f"{named(detector)} is an AnomalyDetector[{fitted_on.__name__}] and was to be fitted on a "
        f"{type(sample).__name__}; "
        f"one that uses labels derives from AnomalyDetector[LabelledSample]"
    )


def fit(detector: AnomalyDetector[Any], sample: TrainingSample | LabelledSample, runner: Trainer) -> Any:
    """Fit a detector and return the result; raise AssertionError if it accesses labels that the sample lacks."""
    try:
        return detector.fit(sample, runner)
    except AttributeError as error:
        if not isinstance(error.obj, TrainingSample | Jets):
            raise
        raise AssertionError(
            f"{named(detector)}.fit asked for {error.name!r} of a {type(error.obj).__name__}, which has only "
            f"{', '.join(error.obj.__dataclass_fields__)}: an AnomalyDetector[TrainingSample] has no labels and no "
            f"name of a sample; "
            f"one that needs them derives from AnomalyDetector[LabelledSample], and counts as supervised"
        ) from error


def check_before_the_fit(detector: AnomalyDetector[Any], jets: Jets) -> None:
    """Raise AssertionError if `score` before the fit raises any exception other than ValueError."""
    try:
        detector.score(jets)
    except ValueError:
        pass
    except Exception as error:
        raise AssertionError(
            f"{named(detector)}.score before a fit raised {type(error).__name__}: {error}; raise a ValueError that "
            f"says so, for example by self.ready(self.model) with self.model = None until the fit"
        ) from error


def check_scores(detector: AnomalyDetector[Any], jets: Jets) -> Scores:
    """Return the scores; raise AssertionError unless they are finite float64, one per jet, and reproducible."""
    scores = detector.score(jets)
    found = (type(scores).__name__, getattr(scores, "dtype", None), getattr(scores, "shape", None))
    assert found == ("ndarray", np.float64, (len(jets),)), (
        f"{named(detector)}.score gave {found[0]} of {found[1]} and shape {found[2]} for {len(jets)} jets; "
        f"expected a numpy array of float64 and shape ({len(jets)},)"
    )
    bad = np.flatnonzero(~np.isfinite(scores))
    assert not len(bad), (
        f"{named(detector)}.score is not finite for {len(bad)} of {len(jets)} jets, the first of them with "
        f"{jets.multiplicity[bad[0]]} constituents"
    )
    again = detector.score(jets)
    assert np.array_equal(scores, again), (
        f"{named(detector)}.score gave other numbers when asked a second time; nothing may be left to chance in it"
    )
    return scores


def check_fit_again(
    factory: Callable[[], AnomalyDetector[Any]],
    sample: TrainingSample | LabelledSample,
    jets: Jets,
    scores: Scores,
    runner: Callable[[], Trainer],
) -> None:
    """Raise AssertionError unless a new detector fitted on the same sample gives the same scores."""
    other = factory()
    again = other.fit(sample, runner()).score(jets)
    assert np.array_equal(scores, again), (
        f"{named(other)} scored jets differently after a second fit on the same sample ({apart(scores, again)}); "
        f"draw everything random from a seed, see darkclr_ray.randomness"
    )


def check_untold(detector: AnomalyDetector[Any], jets: Jets, scores: Scores) -> None:
    """Raise AssertionError if scores depend on ids or events, which identify the origin of a jet."""
    numbers = np.random.default_rng(5).permutation(len(jets)).astype(np.int64)
    other = detector.score(replace(jets, ids=numbers, events=numbers))
    assert same(scores, other), (
        f"{named(detector)}.score depends on ids or events of the jets ({apart(scores, other)}), which tell where a "
        f"jet came from; use constituents and kinematics only"
    )


def check_tied_order(detector: AnomalyDetector[Any], jets: Jets) -> None:
    """Raise AssertionError if scores depend on the order of constituents of equal pT, which is arbitrary.

    Other orders are not tested: the constituents of `Jets` are always ordered by pT, and a detector may rely on it, for
    example one that reads them as a flat list. The networks of this package do not depend on the order at all, which
    tests/networks checks.
    """
    tied, shuffled = tied_orders(jets)
    scores, other = detector.score(tied), detector.score(shuffled)
    assert same(scores, other), (
        f"{named(detector)}.score depends on the order of a jet's constituents where their pT is equal "
        f"({apart(scores, other)}); sum over constituents, or sort them by pT, eta and phi"
    )


def tied_orders(jets: Jets) -> tuple[Jets, Jets]:
    """Return the jets with pT rounded down to powers of two, and the same with constituents of equal pT reordered."""
    constituents = jets.constituents.copy()
    constituents[:, 0] = 2.0 ** np.floor(np.log2(constituents[:, 0]))
    jet = np.repeat(np.arange(len(jets)), jets.multiplicity)
    order = np.lexsort((np.random.default_rng(6).random(len(jet)), -constituents[:, 0], jet))
    return replace(jets, constituents=constituents), replace(jets, constituents=constituents[order])


def check_company(detector: AnomalyDetector[Any], jets: Jets, scores: Scores) -> None:
    """Raise AssertionError if a jet's score depends on the other jets, their number, or its position in a batch."""
    order = np.random.default_rng(7).permutation(len(jets))
    other = detector.score(jets.take(order))
    assert same(scores[order], other), (
        f"{named(detector)}.score gave other numbers for the same jets in another order "
        f"({apart(scores[order], other)}); what is summed or sorted must stay within a jet"
    )
    for number in (int(jets.multiplicity.argmin()), int(jets.multiplicity.argmax())):
        alone = detector.score(jets.take(np.array([number])))
        assert np.shape(alone) == (1,), (
            f"{named(detector)}.score gave shape {np.shape(alone)} for a batch of one jet; expected (1,)"
        )
        assert same(scores[[number]], alone, spread_of(scores)), (
            f"{named(detector)}.score gave {alone[0]:.6g} for a jet alone and {scores[number]:.6g} among others; what "
            f"a score needs to know of other jets has to be fixed by the fit, and padding must be inert"
        )


def check_saved(detector: AnomalyDetector[Any], jets: Jets, scores: Scores, runner: Callable[[], Trainer]) -> None:
    """Raise AssertionError unless a saved and loaded detector gives the same scores and its files contain no pickle."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "new" / "detector"
        detector.save(folder)
        for path in folder.rglob("*") if folder.exists() else []:
            assert not (path.is_file() and holds_pickle(path)), (
                f"{named(detector)}.save wrote a pickle into {path.name}, and reading one can run any code; write "
                f"numbers as safetensors and settings as YAML, see darkclr_ray.detectors.saving"
            )
        loaded = type(detector).load(folder, runner())
        other = loaded.score(jets)
    assert np.array_equal(scores, other), (
        f"{named(detector)} scored jets differently after save and load ({apart(scores, other)}); "
        f"save all that score uses"
    )


def holds_pickle(path: Path) -> bool:
    """Return whether a file is a pickle, an array of objects, or an archive (.npz, torch.save) that contains one."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            heads = [archive.open(member).read(128) for member in archive.namelist()]
    else:
        with open(path, "rb") as file:
            heads = [file.read(128)]
    return any(_begins_pickle(head) for head in heads)


def _begins_pickle(head: bytes) -> bool:
    numpy_objects = head.startswith(b"\x93NUMPY") and b"'|O'" in head
    safetensors = head[8:9] == b"{"  # follows the length of the header, whose bytes are arbitrary
    return numpy_objects or (len(head) > 1 and head[0] == 0x80 and 2 <= head[1] <= 5 and not safetensors)


def spread_of(scores: Scores) -> float:
    return float(np.ptp(scores))


def same(scores: Scores, others: Scores, spread: float | None = None) -> bool:
    """Return whether scores differ by no more than rounding errors."""
    spread = spread_of(scores) if spread is None else spread
    return bool(np.allclose(scores, others, rtol=1e-5, atol=NUMERICAL_NOISE * spread))


def apart(scores: Scores, others: Scores) -> str:
    return f"by up to {np.abs(scores - others).max():.3g}, where scores range over {spread_of(scores):.3g}"


def named(detector: AnomalyDetector[Any]) -> str:
    return type(detector).__name__
