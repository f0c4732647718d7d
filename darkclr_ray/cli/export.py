"""Export a trained model for use without this package: ``darkclr export pretrained --out darkclr.onnx``.

With --to hepdata, the folder of a study is named instead of a model: its background rejections with their statistical
and seed errors are written as a submission to HEPData, into the new folder that --out names.

The exported graph computes scores from zero-padded constituents; the numbers of jets and of constituents are free. Its
inputs are: constituents, float32 (jets, length, 3), pT in GeV, eta and phi relative to the jet axis, hardest first;
mask, bool (jets, length), true where there is a constituent; pt, float32 (jets), the jets' pT in GeV. Its outputs are
the representation and one score per detector. A file that ends in .pt2 is read by torch.export.load, one that ends in
.onnx by ONNX runtimes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from darkclr_ray.cli.program import Parser
from darkclr_ray.detectors.description import chosen
from darkclr_ray.fs_checks import check_writable

ENDINGS = (".pt2", ".onnx")


def main(arguments: Sequence[str], program: str) -> int:
    """Write the exported graph and return 0; raise ValueError or ImportError if that is not possible."""
    line = Parser(prog=program, description=(__doc__ or "").replace("`", ""))
    line.add_argument("model", help='folder of a model, such as best/ of a study, or "pretrained"; or a study')
    line.add_argument(
        "--out", type=Path, required=True, help="file to write: NAME.onnx or NAME.pt2; or, for hepdata, a new folder"
    )
    line.add_argument("--to", choices=("hepdata",), help="what to write of a study")
    line.add_argument(
        "--detectors",
        metavar="NAME,...",
        help="only these of the model (all norms and energies of an encoder's representation)",
    )
    words = line.read(arguments)
    if words.to:
        if not (Path(words.model) / "study.json").is_file():
            raise ValueError(f"{words.model}: no study, it has no study.json; --to {words.to} exports a study")
        from darkclr_ray.reports import hepdata

        tables = hepdata.export(Path(words.model), words.out)
        print(f"{len(tables)} tables of {words.model}; written to {words.out}")
        return 0
    if words.out.suffix not in ENDINGS or words.out.is_dir():
        raise ValueError(f"{words.out}: --out takes a file that ends in {' or '.join(ENDINGS)}")
    check_writable(words.out.parent, "--out")
    names = chosen(words.model, words.detectors.split(",") if words.detectors else ())
    from darkclr_ray.detectors.exporting import export_onnx, export_torch, exportable
    from darkclr_ray.detectors.models import load_model
    from darkclr_ray.training.trainer import Trainer

    if not words.detectors:
        names = exportable(names) or names
    runner = Trainer(device="cpu")
    detectors = [load_model(words.model, name, runner) for name in names]
    (export_onnx if words.out.suffix == ".onnx" else export_torch)(detectors, words.out)
    print(f"{', '.join(names)} of {words.model}; written to {words.out}")
    return 0
