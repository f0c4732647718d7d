"""Typed models of everything that a study writes to its folder as JSON; the study writes them, all readers use them.

Files, relative to the study's folder:
    ``study.json`` (`StudyRecord`), ``trials/<number>.json`` (`TrialRecord`), ``references.json`` (`References`),
    ``seeds.json`` (`Repeats`), ``means.json`` (`MeansRecord`), ``runs/<key>.json`` (`RunRecord`),
    ``sections/<name>.json`` (`ANALYSES`) and, in the store, ``stages/evaluation/<hash>/evaluation.json``
    (`EvaluationRecord`).

A key that a model does not know is refused, except in `SampleRecord`, which keeps the parameters of any generator.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, RootModel, ValidationError

from darkclr_ray.evaluation.leave_one_out import LeftOut
from darkclr_ray.evaluation.paired import Ratio
from darkclr_ray.evaluation.rejection import Evaluation
from darkclr_ray.evaluation.sculpting import Sculpting
from darkclr_ray.evaluation.stability import Stability
from darkclr_ray.evaluation.systematics import Systematic
from darkclr_ray.evaluation.variance import VarianceComponents
from darkclr_ray.integrity import Damaged
from darkclr_ray.jets.generation.samples import format_validation_error
from darkclr_ray.store.files import REMEDY, read_json, write_json

State = Literal["COMPLETE", "PRUNED", "FAIL"]
"""Final state of a trial or a run."""

Result = TypeVar("Result")


def _evaluation(value: Any) -> Any:
    return Evaluation.from_json(value) if isinstance(value, Mapping) else value


Judged = Annotated[Evaluation, BeforeValidator(_evaluation), PlainSerializer(Evaluation.to_json)]
Evaluations = dict[str, dict[str, Judged]]
"""Evaluations by detector and signal."""


def _without_shares(value: Any) -> Any:
    return {name: part for name, part in value.items() if name != "shares"} if isinstance(value, Mapping) else value


Components = Annotated[
    VarianceComponents, BeforeValidator(_without_shares), PlainSerializer(VarianceComponents.to_json)
]


class JsonFile:
    """Mixin that reads and writes a pydantic model as a JSON file with a checksum."""

    @classmethod
    def read(cls, path: Path, remedy: str = REMEDY) -> Self:
        """Return the content of a file; ``remedy`` ends the error message.

        Raises Damaged if the file cannot be read, its checksum does not match, or it is not what this model describes.
        """
        try:
            return cls.model_validate(read_json(path, remedy))  # type: ignore[attr-defined, no-any-return]
        except ValidationError as error:
            raise Damaged(f"{path}: {format_validation_error(error)}; {remedy}") from error

    def content(self) -> dict[str, Any]:
        """Return the fields that were set, as JSON."""
        return self.model_dump(mode="json", exclude_unset=True)  # type: ignore[attr-defined, no-any-return]

    def write(self, path: Path) -> None:
        """Write the fields that were set, atomically; raise ValueError for NaN and infinity."""
        write_json(path, self.content())


class Record(BaseModel, JsonFile):
    """Base class of the models."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Machine(Record):
    """Resources of a study's share of the cluster."""

    cpus: float = 0.0
    gpus: float = 0.0
    nodes: int = 1


class Start(Record):
    """Versions, machine and precision of one start of a study.

    Attributes:
        time: ISO 8601.
        versions: version of each library.
        precision: dtype of matrix products, known after the first job; "auto" in the settings depends on the processor.
        kernels: implementation of each network, known after the jobs that use it.
    """

    time: str
    versions: dict[str, str] = {}
    machine: Machine = Machine()
    precision: str | None = None
    kernels: dict[str, str] = {}


class JetsRecord(Record):
    """Jets of a study: the folder, further folders, and a hash of each sample by split."""

    path: str
    fingerprints: dict[str, dict[str, str]]
    further: list[str] = []


class SampleRecord(Record):
    """Parameters of a sample; all parameters of its generator are kept.

    Attributes:
        variation: name of the variation if the sample is background of another simulation.
        invisible_fraction_selected: fraction of invisible dark mesons around the jets that passed the selection.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: str | None = None
    r_inv: float | None = None
    pion_mass: float | None = None
    rho_mass: float | None = None
    decays: str | None = None
    variation: str | None = None
    invisible_fraction_selected: float | None = None


class StudyRecord(Record):
    """Content of ``study.json``.

    Attributes:
        starts: starts of the study that differ from the previous one in version, machine or precision.
        objective, score, background: from the settings.
        files: checksum of each file that every start writes anew.
        finished, sections: of a comparison: whether nothing is left to compute, and its analyses.
        best: of an embedding scan: number of the trial to which ``best/`` and ``references.json`` belong.
        judged: of an embedding scan: the objectives, score and signals for which that trial is the best.
    """

    format: int = 2
    name: str
    preset: str | None = None
    command: list[str] = []
    created: str | None = None
    starts: list[Start] = []
    objective: str | None = None
    score: str = "s_NAE"
    background: str | None = None
    kind: str = "embedding_scan"
    jets: JetsRecord | None = None
    samples: dict[str, SampleRecord] = {}
    counts: dict[str, dict[str, int]] = {}
    files: dict[str, str] = {}
    finished: bool = False
    sections: list[str] = []
    best: int | None = None
    judged: list[str] | None = None


class ChainRecord(Record):
    """Diagnostics of the Langevin chains at the selected epoch."""

    energy_data: float | None = None
    energy_chain: float | None = None
    displacement: float | None = None
    standing_still: bool = False
    above_data: bool = False
    below_data: bool = False


class EncoderRecord(Record):
    """Collapse of an encoder at the selected epoch, on validation background; see `evaluation.collapse.Collapse`."""

    share_at_median: float
    median_distance: float
    effective_rank: float


class EvaluationRecord(Record):
    """Evaluation of a job's detectors.

    Attributes:
        validation, test: evaluations by detector and signal.
        signal_blind: evaluation of each detector on background against anomalous views of the same jets.
        objectives: value of each objective; None if it is not finite.
        encoders: collapse of the encoder of each detector that has one.
        chains: diagnostics of each detector that was trained with contrastive divergence.
        warnings: how many epochs of each training gave a warning, and the last one.
        dimension, fold_aucs: of a linear classifier test: number of features, and AUC of each fold.
    """

    validation: Evaluations = {}
    test: Evaluations = {}
    signal_blind: dict[str, Judged] = {}
    objectives: dict[str, float | None] = {}
    encoders: dict[str, EncoderRecord] = {}
    chains: dict[str, ChainRecord] = {}
    warnings: list[str] = []
    dimension: int | None = None
    fold_aucs: dict[str, dict[str, list[float]]] = {}


class MeansRecord(Record):
    """Content of ``means.json``: means of observables by name.

    Attributes:
        jets: largest number of jets of a sample that were used.
        background: means of background jets.
        views: means of anomalous views of these jets, by family.
        signals: means of signal jets, by sample.
    """

    jets: int
    background: dict[str, float]
    views: dict[str, dict[str, float]] = {}
    signals: dict[str, dict[str, float]] = {}


class OptunaRecord(Record):
    """What Optuna stores of a trial besides its end, to restore the journal from the trials' files."""

    params: dict[str, Any] = {}
    intermediate_values: dict[int, float] = {}
    user_attrs: dict[str, Any] = {}


class TrialRecord(Record):
    """A trial that has ended.

    Attributes:
        reason: why it was pruned or failed.
        parameters: its point in the search space.
        objective, objectives: value of the objective that the search maximises, and of all objectives and costs.
        score: name of the detector for which the objectives were computed.
        encoders: collapse of the encoder of each detector that has one.
        stages: hash of each stage in the store.
        kernels: implementation of each network.
        seconds: time of each stage, of the overhead, and in total.
        validation, test: evaluations by detector and signal.
        chains, warnings: as in `EvaluationRecord`.
    """

    number: int
    state: State
    reason: str | None = None
    parameters: dict[str, Any] = {}
    objective: float | None = None
    objectives: dict[str, float | None] = {}
    score: str = "s_NAE"
    encoders: dict[str, EncoderRecord] = {}
    stages: dict[str, str] = {}
    kernels: dict[str, str] = {}
    seconds: dict[str, float] = {}
    chains: dict[str, ChainRecord] = {}
    warnings: list[str] = []
    validation: Evaluations = {}
    test: Evaluations = {}
    optuna: OptunaRecord = OptunaRecord()


class RepeatedPoint(Record):
    """A point of a search that was trained again with further seeds.

    Attributes:
        number, parameters, objective: of the trial that the search made.
        repeats: objective with each further seed; None if it failed.
        stages: hashes of the stages with each further seed.
        mean, deviation: of the objectives with further seeds; None without any, or with one only.
    """

    number: int
    parameters: dict[str, Any] = {}
    objective: float
    repeats: list[float | None] = []
    stages: list[dict[str, str]] = []
    mean: float | None = None
    deviation: float | None = None


class Repeats(Record):
    """Content of ``seeds.json``: the best points of a search with further seeds, best one first.

    Attributes:
        objective, score, seeds: from the settings.
        selected: number of the trial whose point has the largest mean.
    """

    objective: str
    score: str
    seeds: int
    points: list[RepeatedPoint]
    selected: int


class ReferenceRecord(Record):
    """A reference of an embedding scan; ``parameters`` are those of the best trial for which it was made, if any."""

    stages: dict[str, str] = {}
    validation: Evaluations = {}
    test: Evaluations = {}
    parameters: dict[str, Any] | None = None


class References(RootModel[dict[str, ReferenceRecord]], JsonFile):
    """References of an embedding scan by name."""


class DetectorRecord(Record):
    """A detector of a run: its title and entry, whether its training used labels, and its trainings by kind."""

    title: str = ""
    entry: str | None = None
    labels: bool = False
    stages: dict[str, str] = {}


class TrainedOn(Record):
    """Training jets of a run; ``words`` describes them in a caption."""

    background: str | None = None
    jets: int | None = None
    signal: str | None = None
    signal_jets: int = 0
    labels: bool = False
    fraction: float = 0.0
    words: str = "an unrecorded number of jets"


class SelectedOn(Record):
    """Criteria that selected the epochs and the settings of a run, as text."""

    epoch: str = ""
    settings: str = ""
    words: str = ""


class Seeds(Record):
    """Seeds of a run; None if nothing in the run depends on the seed."""

    encoder: int | None = None
    autoencoder: int | None = None


class RunRecord(Record):
    """A run of a comparison: one network (or cut) of each of its detectors.

    Attributes:
        kind: "detectors" or "linear_classifier".
        label: label that all runs of an ensemble share.
        sections: analyses that use the run: "methods", "dimensions", "contamination", "forms" or "linear".
        parameters: settings in which the runs differ.

    All others are as in `TrialRecord` and `EvaluationRecord`.
    """

    key: str
    kind: str = "detectors"
    label: str = ""
    sections: list[str] = []
    state: State
    reason: str | None = None
    seeds: Seeds = Seeds()
    parameters: dict[str, Any] = {}
    detectors: dict[str, DetectorRecord] = {}
    trained_on: TrainedOn = TrainedOn()
    selected_on: SelectedOn = SelectedOn()
    stages: dict[str, str] = {}
    kernels: dict[str, str] = {}
    seconds: dict[str, float] = {}
    validation: Evaluations = {}
    test: Evaluations = {}
    signal_blind: dict[str, Judged] = {}
    objectives: dict[str, float | None] = {}
    encoders: dict[str, EncoderRecord] = {}
    chains: dict[str, ChainRecord] = {}
    fold_aucs: dict[str, dict[str, list[float]]] = {}
    warnings: list[str] = []


class PairRecord(Record):
    """Paired comparison of detectors a and b, of the runs with these keys, on one signal; see `PairedRatio`."""

    a: str
    b: str
    a_key: str
    b_key: str
    signal: str
    raw: Ratio
    matched: Ratio
    eps_s: float
    level: float
    replicas: int
    seed: int


class Analysis(Record, Generic[Result]):
    """An analysis of a whole comparison.

    Attributes:
        of: by detector, the run (or folder) that was analysed.
        result: the result, whose type depends on the analysis; see `ANALYSES`.
        words: the jets and networks that were used, as text.
    """

    name: str
    of: dict[str, str] = {}
    result: Result
    words: str = ""


ANALYSES: Mapping[str, type[Analysis[Any]]] = {
    "pairs": Analysis[list[PairRecord]],
    "sculpting": Analysis[dict[str, dict[str, list[Sculpting]]]],
    "stability": Analysis[dict[str, dict[str, Stability]]],
    "systematics": Analysis[dict[str, dict[str, Systematic]]],
    "variance": Analysis[dict[str, dict[str, dict[str, Components]]]],
    "leave_one_out": Analysis[list[LeftOut]],
}
"""Type of each analysis by name; most results are by detector and then by observable, variation or signal."""


def best_trial(trials: Iterable[TrialRecord]) -> TrialRecord | None:
    """Return the complete trial with the largest objective, the first one of equals; None without a complete trial."""
    complete = [trial for trial in trials if trial.state == "COMPLETE" and trial.objective is not None]
    return max(complete, key=lambda trial: (trial.objective, -trial.number), default=None)


def selected_trial(trials: Iterable[TrialRecord], repeats: Repeats | None) -> TrialRecord | None:
    """Return the trial with the largest mean over further seeds if there are such, else `best_trial`."""
    chosen = [trial for trial in trials if repeats is not None and trial.number == repeats.selected]
    return best_trial(chosen or trials)
