"""The package's dependency rules: imports point from later layers to earlier ones, and no modules import each other."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = (
    (
        "exit_status",
        "fs_checks",
        "integrity",
        "malloc",
        "messages",
        "normal",
        "plugins",
        "randomness",
        "settings",
    ),
    ("field_types", "presets"),
    ("yaml_files",),
    ("jets",),
    ("store",),
    ("augmentations",),
    ("evaluation",),
    ("losses", "langevin"),
    ("networks",),
    ("kernels",),
    ("training",),
    ("detectors",),
    ("estimator", "streams", "testing"),
    ("runtime",),
    ("study",),
    ("reports", "results"),
    ("benchmarks", "cli"),
)
"""Packages and modules of darkclr_ray; each imports only from its own and from earlier layers."""
WITHOUT_RAY = ("jets", "augmentations", "networks", "kernels", "losses", "training", "detectors", "evaluation", "store")


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted((ROOT / "darkclr_ray").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imported(path: Path) -> set[str]:
    """Everything that a file imports, in functions and under TYPE_CHECKING, too; modules where they are modules."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in MODULES else node.module for name in inner}
    return names


def layer(module: str) -> int:
    part = module.split(".")[1]
    return next(number for number, names in enumerate(LAYERS) if part in names)


@pytest.mark.parametrize("module", [name for name in MODULES if "." in name])
def test_imports_point_to_earlier_layers(module: str) -> None:
    own = [name for name in imported(MODULES[module]) if name.startswith("darkclr_ray.")]
    assert [name for name in own if layer(name) > layer(module)] == []
    sideways = {name.split(".")[1] for name in own if layer(name) == layer(module)} - {module.split(".")[1]}
    assert layer(module) == 0 or sideways <= {"benchmarks"}, sideways


def test_no_modules_import_each_other() -> None:
    graph = {name: {other for other in imported(path) if other in MODULES} - {name} for name, path in MODULES.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"import cycle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("package", WITHOUT_RAY)
def test_physics_and_mathematics_do_not_import_ray(package: str) -> None:
    for name, path in MODULES.items():
        if name.split(".")[1:2] == [package]:
            assert not [other for other in imported(path) if other.split(".")[0] == "ray"], name
