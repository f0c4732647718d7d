"""No module uses what Ray and Optuna keep private, as it may change with any of their releases."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "darkclr_ray"
LIBRARIES = ("ray", "optuna")
NAMED_TUPLE = {"_asdict", "_fields", "_make", "_replace"}
"""Public, although they begin with an underscore."""


def private(name: str) -> bool:
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


def imported(node: ast.AST) -> list[str]:
    """Return the dotted names that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def defined(tree: ast.AST) -> set[str]:
    """Return the names of a module's own functions, variables and attributes."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and of_own_class(node):
            names.add(node.attr)
    return names


def of_own_class(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")


def uses(source: str) -> Iterator[str]:
    """Yield each private name that a module takes from a library, and each way around the search for names."""
    tree = ast.parse(source)
    names = [name for node in ast.walk(tree) for name in imported(node) if name.split(".")[0] in LIBRARIES]
    if not names:
        return
    yield from (name for name in names if any(map(private, name.split("."))))
    own = defined(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            hidden = private(node.attr) and node.attr not in own | NAMED_TUPLE and not of_own_class(node)
            if hidden or (node.attr == "__dict__" and not of_own_class(node)):
                yield ast.unparse(node)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            texts = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            by_name = node.func.id in ("getattr", "setattr", "hasattr", "delattr") and any(map(private, texts))
            if by_name or node.func.id == "vars":
                yield ast.unparse(node)


def test_no_module_uses_private_parts_of_ray_and_optuna() -> None:
    modules = {str(path.relative_to(PACKAGE)): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
    assert sum("import ray" in source for source in modules.values()) > 5
    found = {path: list(uses(source)) for path, source in modules.items()}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("from ray._private.worker import global_worker", "ray._private.worker.global_worker"),
        ("from ray.data._internal.execution import callbacks", "ray.data._internal.execution.callbacks"),
        ("from optuna.storages import _callbacks", "optuna.storages._callbacks"),
        ("import optuna._typing", "optuna._typing"),
        ("import ray.tune.impl._x as y", "ray.tune.impl._x"),
        ("ray.worker._global_node.head", "ray.worker._global_node"),
        ("bracket._rungs = []", "bracket._rungs"),
        ("study.get_trials()[0]._trial_id", "study.get_trials()[0]._trial_id"),
        ("setattr(study, '_storage', None)", "setattr(study, '_storage', None)"),
        ("vars(bracket).update(cutoff=None)", "vars(bracket)"),
        ("bracket.__dict__['cutoff'] = None", "bracket.__dict__"),
        ("self._fitted = changed._fitted", None),
        ("chunk._replace(path='a')", None),
        ("type(self).__name__", None),
    ],
)
def test_private_parts_are_found(line: str, found: str | None) -> None:
    assert list(uses(f"import ray\n{line}")) == ([] if found is None else [found])
