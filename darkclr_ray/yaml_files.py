"""Read settings from a YAML file; raise an error for unknown names, duplicate keys and invalid values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from darkclr_ray.field_types import check_kind, is_group, leaves
from darkclr_ray.messages import shown, suggestion

LARGEST_FILE = 1_000_000
"""Largest size in bytes of a settings file."""


def read_yaml(path: Path, mend: str = "--config takes a YAML file with settings") -> dict[str, Any]:
    """Return the mapping in a YAML file. Raises ValueError if it is not one, cannot be read, or has duplicate keys.

    Args:
        path: path of the file.
        mend: remedy in the message if it cannot be read; not every such file is named by an option.
    """
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_FILE + 1).decode()
        if len(text) > LARGEST_FILE:
            raise ValueError(f"{path}: more than {LARGEST_FILE} bytes; {mend}")
        content = load_yaml(text)
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; {mend}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read ({error}); {mend}") from None
    except yaml.YAMLError as error:
        words = " ".join(str(error).split())
        raise ValueError(f"{path}: not readable as YAML: {words}; mend the file; {mend}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected settings as 'name: value', found {shown(content)}; mend the file; {mend}")
    return content


def load_yaml(text: str) -> Any:
    """Return the values in plain YAML. Raises YAMLError for any error.

    PyYAML itself raises other exceptions, for example for an ill-formed ``!!bool``.
    """
    try:
        return yaml.load(text, _StrictLoader)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise yaml.YAMLError(f"{type(error).__name__}: {error}") from None


class _StrictLoader(yaml.SafeLoader):
    """YAML loader for plain values that raises an error for duplicate keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = [key for key, times in Counter(keys).items() if times > 1]
        if twice:
            raise yaml.YAMLError(f"{twice[0]!r} is set twice{node.start_mark}")
        return super().construct_mapping(node, deep)


def check_names(model: type[BaseModel], content: Mapping[Any, Any], file: str, above: tuple[str, ...] = ()) -> None:
    """Raise ValueError, with the nearest name, if a name in a YAML file is not a setting."""
    settings = dict(leaves(model))
    for key, value in content.items():
        path = (*above, str(key))
        name = ".".join(path)
        if is_group(model, path):
            if not isinstance(value, dict):
                members = [leaf.removeprefix(name + ".") for leaf in settings if leaf.startswith(name + ".")]
                raise ValueError(f"{file}: {name}: expected some of {', '.join(members)}, found {shown(value)}")
            check_names(model, value, file, path)
        elif name not in settings:
            groups = {leaf.rpartition(".")[0] for leaf in settings} - {""}
            raise ValueError(f"{file}: {name}: unknown setting{suggestion(name, [*settings, *groups])}")
        else:
            check_kind(value, settings[name], f"{file}: {name}")
