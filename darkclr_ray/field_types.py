"""List the settings and the types of values that each of them accepts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from darkclr_ray.messages import shown


def leaves(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Yield dotted name and field of every single setting.

    >>> from darkclr_ray.settings import StudySettings
    >>> next(name for name, _ in leaves(StudySettings) if name.endswith("d_z"))
    'encoder.d_z'
    """
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from leaves(inner, f"{prefix}{name}.")
        else:
            yield prefix + name, field


def is_group(model: type[BaseModel], path: Sequence[str]) -> bool:
    return any(name.startswith(".".join(path) + ".") for name, _ in leaves(model))


def model_at(model: type[BaseModel], path: Sequence[str]) -> type[BaseModel]:
    for part in path:
        inner = model.model_fields[part].annotation
        assert isinstance(inner, type)
        assert issubclass(inner, BaseModel)
        model = inner
    return model


def check_kind(value: Any, field: FieldInfo, where: str) -> None:
    """Raise ValueError for a truth value where a number is required, which pydantic would convert to 1 or 0."""
    if isinstance(value, bool) and bool not in kinds(field.annotation):
        raise ValueError(f"{where}: expected {kind_of(field)}, found {shown(value)}")


def kind_of(field: FieldInfo) -> str:
    """Return a short name of the values that a setting accepts, for help and messages.

    >>> from darkclr_ray.settings import InputSettings
    >>> kind_of(InputSettings.model_fields["pt"])
    'gev|fraction'
    """
    choices = choices_of(field)
    if choices:
        return "|".join(choices)
    words = {int: "INTEGER", float: "NUMBER", bool: "true|false", str: "TEXT", type(None): "none"}
    names = ("MAPPING" if get_origin(kind) is dict else words.get(kind, "LIST") for kind in kinds(field.annotation))
    return "|".join(dict.fromkeys(names))


def is_mapping(field: FieldInfo) -> bool:
    """Return whether a setting accepts values by names of the user's choice, such as a search space."""
    return any(get_origin(kind) is dict for kind in kinds(field.annotation))


def choices_of(field: FieldInfo) -> tuple[str, ...]:
    """Return the words that a setting accepts, if they are few."""
    return tuple(kind for kind in kinds(field.annotation) if isinstance(kind, str))


def kinds(annotation: Any) -> tuple[Any, ...]:
    """Return the types and literal words that an annotation accepts."""
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        return tuple(kind for part in get_args(annotation) for kind in kinds(part))
    if origin is Literal:
        return get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        return kinds(annotation.__origin__)
    return (annotation,)
