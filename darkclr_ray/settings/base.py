"""Base class of the groups of settings, and nested dictionaries of values."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo

Probability = Annotated[float, Field(ge=0.0, lt=1.0)]
Positive = Annotated[float, Field(gt=0.0, le=1000.0)]


class Settings(BaseModel):
    """Frozen group of settings. An unknown key or an invalid value raises pydantic's ValidationError, a ValueError."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _complete_groups(cls, values: Any) -> Any:
        """Give a group that is set in part the other values of this class's default for it, not those of its own class.

        For example, ``views_observables: {views: {p_drop: 0.5}}`` keeps the transformations of `views_observables`.
        """
        if not isinstance(values, dict):
            return values
        return {name: _completed(cls.model_fields.get(name), value) for name, value in values.items()}


def _completed(field: FieldInfo | None, value: Any) -> Any:
    default = None if field is None else field.default
    if isinstance(default, Settings) and isinstance(value, dict):
        return merged(default.model_dump(), value)
    return value


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of ``base`` that is updated recursively by the nested dictionary ``changes``.

    >>> merged({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}})
    {'a': {'b': 3, 'c': 2}}
    """
    result = dict(base)
    for name, value in changes.items():
        both = isinstance(value, dict) and isinstance(result.get(name), dict)
        result[name] = merged(result[name], value) if both else value
    return result


def nested(name: str, value: Any) -> dict[str, Any]:
    """Return a value in nested dictionaries, by its dotted name.

    >>> nested("encoder.d_z", 64)
    {'encoder': {'d_z': 64}}
    """
    for part in reversed(name.split(".")):
        value = {part: value}
    result: dict[str, Any] = value
    return result
