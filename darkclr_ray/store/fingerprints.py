"""Fingerprint of the code that computes a stage; comments, docstrings, messages and layout do not change it."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path


def code_fingerprint(*modules: str) -> str:
    """Return the hash (32 hex digits) of the code of modules and of all modules that they import.

    Imports are followed into the packages of ``modules`` and into ``darkclr_ray``, not into other libraries, whose
    versions are recorded in the metadata of each stage. The package of settings is not followed either, since a stage's
    description holds the values of the settings. An imported package counts with every module in it, since a registry
    finds its files at run time. A module counts with the C source of the same name and the headers beside it. Moving
    code or renaming a local variable changes the hash; a comment, a docstring or the text of an error, of a warning or
    of a log message does not.

    Args:
        modules: dotted names, such as "darkclr_ray.training.nae" or the module of a plug-in.

    Raises:
        ValueError: a module does not exist, or is not a Python file.
    """
    content = hashlib.blake2b(digest_size=16)
    for name, path in sorted(_closure(modules).items()):
        content.update(f"{name} {_file_hash(path, path.stat().st_mtime_ns)}\n".encode())
        if path.with_suffix(".c").is_file():
            for source in (path.with_suffix(".c"), *sorted(path.parent.glob("*.h"))):
                content.update(source.read_bytes())
    return content.hexdigest()


def participants(*modules: str) -> tuple[str, ...]:
    """Return the names of the modules that `code_fingerprint` covers.

    >>> "darkclr_ray.losses.contrastive_divergence" in participants("darkclr_ray.training.nae")
    True
    >>> "darkclr_ray.losses.contrastive_divergence" in participants("darkclr_ray.training.contrastive")
    False
    """
    return tuple(sorted(_closure(modules)))


def _closure(modules: tuple[str, ...]) -> dict[str, Path]:
    tops = {"darkclr_ray", *(name.split(".")[0] for name in modules)}
    roots = {top: _root(top) for top in tops}
    found: dict[str, Path] = {}
    for name in modules:
        if _locate(name, roots) is None:
            raise ValueError(f"no module {name!r} in {roots[name.split('.')[0]]}")
    todo = list(modules)
    while todo:
        name = todo.pop()
        path = _locate(name, roots)
        if path is None or name in found or name.split(".")[:2] == ["darkclr_ray", "settings"]:
            continue
        found[name] = path
        parents = name.split(".")[:-1]
        todo += [".".join([*parents[: depth + 1], "__init__"]) for depth in range(len(parents))]
        if path.is_dir():
            todo += [f"{name}.{file.stem}" for file in path.glob("*.py")]
            continue
        for imported, package_too in _imports(path, path.stat().st_mtime_ns, name):
            if imported.split(".")[0] in roots:
                target = _locate(imported, roots)
                if target is not None and (package_too or target.is_file()):
                    todo.append(imported)
    return found


def _root(top: str) -> Path:
    """Return the folder that contains a top-level module or package."""
    if top == "__main__":
        raise ValueError("code typed into the main script has no name; put it into a module of its own")
    module = sys.modules.get(top)
    file = getattr(module, "__file__", None)
    if file is None:
        spec = importlib.util.find_spec(top)
        file = spec.origin if spec is not None else None
    if file is None or not file.endswith(".py"):
        raise ValueError(f"no Python module {top!r} here; install it or put its folder on PYTHONPATH")
    path = Path(file)
    return path.parent.parent if path.name == "__init__.py" else path.parent


def _locate(name: str, roots: dict[str, Path]) -> Path | None:
    """Return the file of a module, or the folder of a package, which stands for all modules in it; None if absent."""
    base = roots[name.split(".")[0]].joinpath(*name.split("."))
    if base.is_dir():
        return base
    file = base.with_suffix(".py")
    return file if file.is_file() else None


@cache
def _imports(path: Path, changed: int, name: str) -> tuple[tuple[str, bool], ...]:
    """Return the names that a module may import, and whether a package of that name counts as imported as a whole."""
    return tuple(dict.fromkeys(_imported(ast.parse(path.read_bytes()), name.split("."))))


def _imported(tree: ast.AST, name: list[str]) -> Iterator[tuple[str, bool]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, True) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = name[: -node.level] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield module, False  # only the __init__ of a package and the named modules count
            yield f"{module}.__init__", False
            yield from ((f"{module}.{alias.name}", True) for alias in node.names)


@cache
def _file_hash(path: Path, changed: int) -> str:
    if path.is_dir():
        return "package"
    tree = ast.parse(path.read_bytes())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [line for line in node.body if not _is_text(line)] or [ast.Pass()]
        elif isinstance(node, ast.Raise) or (isinstance(node, ast.Call) and _writes_message(node.func)):
            _WithoutText().generic_visit(node)
        elif isinstance(node, ast.Assert):
            node.msg = None
    return hashlib.blake2b(ast.dump(tree).encode(), digest_size=16).hexdigest()


class _WithoutText(ast.NodeTransformer):
    """Replaces texts, with the values that are formatted into them, by an empty text."""

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        return ast.Constant("") if isinstance(node.value, str) else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.Constant:
        return ast.Constant("")


def _writes_message(function: ast.expr) -> bool:
    """Return whether this is a method of a module's logger, or `warnings.warn`."""
    names = ("logger", "warnings")
    return isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id in names


def _is_text(line: ast.stmt) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and isinstance(line.value.value, str)
