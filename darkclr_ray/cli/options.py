"""Read settings from a preset, a YAML file and the command line, where the later source overrides the earlier one.

Every setting is an option (``--encoder.d_z 64``) that is built from the description of the setting, so that a new
setting needs no change here. Invalid settings raise ValueError. The module imports neither torch nor Ray, so that a
misspelt name is reported immediately.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from darkclr_ray.cli.program import Parser, script_name
from darkclr_ray.field_types import check_kind, choices_of, is_group, is_mapping, kind_of, kinds, leaves, model_at
from darkclr_ray.messages import nearest, shown, suggestion
from darkclr_ray.settings import merged, nested
from darkclr_ray.yaml_files import check_names, load_yaml, read_yaml

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class CommandLine(Generic[Model]):
    """Command line of a script whose options are settings.

    Attributes:
        model: pydantic model of the settings.
        presets: named sets of changes to the default settings.
        default: name of the preset that is used if none is given.
        description: description of the script in its help.
        aliases: short names of settings, such as {"trials": "search.trials"}.
    """

    model: type[Model]
    presets: Mapping[str, Mapping[str, Any]]
    default: str
    description: str
    aliases: Mapping[str, str]

    def read(self, arguments: Sequence[str], program: str = "") -> tuple[Model, str]:
        """Return the settings that the arguments specify, and the name of their preset.

        ``program`` is the name of the command in its help. ``--help`` ends the process. Raises ValueError for an
        invalid setting; the message names the setting, its value, its source and the values that are allowed.
        """
        settings = dict(leaves(self.model))
        parser = self._parser(settings, program or script_name())
        members = _members(arguments, settings)
        for name in members:
            parser.add_argument(f"--{name}", action="append", dest=name, help=argparse.SUPPRESS)
        known, unknown = parser.parse_known_args(arguments)
        for argument in unknown:
            raise ValueError(self._unknown(argument, settings))
        chosen: dict[str, Any] = vars(known)
        chosen = {name: _only(name, texts) for name, texts in chosen.items() if texts}
        preset, file = chosen.pop("preset", self.default), chosen.pop("config", None)
        if preset not in self.presets:
            raise ValueError(f"--preset {preset}: unknown preset{nearest(preset, self.presets)}")
        changes: list[tuple[str, Mapping[str, Any]]] = [(f"preset {preset!r}", self.presets[preset])]
        if file is not None:
            content = read_yaml(Path(file))
            check_names(self.model, content, file)
            changes.append((file, content))
        given: dict[str, Any] = {}
        for name, text in chosen.items():
            if name in members:
                value = parse_yaml(text, f"--{name}", "a value")
                given = merged(given, nested(members[name], {name.removeprefix(members[name] + "."): value}))
                continue
            full = self.aliases.get(name, name)
            if name != full and chosen.get(full, text) != text:
                raise ValueError(f"--{name} {text} and --{full} {chosen[full]} contradict each other; say one of them")
            given = merged(given, nested(full, parse_value(text, settings[full], "--" + name)))
        changes.append(("the command line", given))
        return self._checked(changes), preset

    def _checked(self, changes: Sequence[tuple[str, Mapping[str, Any]]]) -> Model:
        values: dict[str, Any] = {}
        for _, change in changes:
            values = merged(values, dict(change))
        try:
            return self.model.model_validate(values)
        except ValidationError as error:
            faults = dict(self._impossible(fault, changes) for fault in reversed(error.errors()))
            raise ValueError("\n".join(reversed(faults.values()))) from None

    def _impossible(self, fault: Any, changes: Sequence[tuple[str, Mapping[str, Any]]]) -> tuple[str, str]:
        """Return the name of an invalid setting and a one-sentence error message."""
        path = [str(part) for part in fault["loc"]]
        settings = dict(leaves(self.model))
        while path and ".".join(path) not in settings and not is_group(self.model, path):
            path.pop()  # pydantic's last parts name a member of a union, or a position in a list
        name = ".".join(path)
        message = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "missing":
            message = f"expected {kind_of(settings[name])} of more numbers"
        if fault["type"] == "value_error" and name not in settings:
            sources = [source for source, change in changes if _lookup(change, path)]
            return name, f"{message} (from {' and '.join(sources) or 'the default'})"
        setters = [source for source, change in changes if _lookup(change, path, _UNSET) is not _UNSET]
        source = setters[-1] if setters else "the default"
        value = _lookup(dict(changes).get(source), path)
        if isinstance(value, Mapping):  # the member at fault of a mapping
            member = next((str(part) for part in fault["loc"] if str(part) in value), "")
            name, value = (f"{name}.{member}", value[member]) if member else (name, value)
        text = f"{name} = {shown(value)} (from {source}): {message[0].lower() + message[1:]}"
        choices = choices_of(settings[name]) if name in settings else ()
        return name, text + (nearest(str(value), choices) if choices else "")

    def _unknown(self, argument: str, settings: Mapping[str, FieldInfo]) -> str:
        if not argument.startswith("--"):
            return f"{argument!r}: unexpected; every setting needs its name in front, as in --encoder.d_z 64"
        name = argument.split("=")[0].removeprefix("--")
        return f"--{name}: unknown setting{suggestion(name, [*settings, *self.aliases, 'preset', 'config'], '--')}"

    def _parser(self, settings: Mapping[str, FieldInfo], program: str) -> argparse.ArgumentParser:
        parser = Parser(
            description=self.description,
            usage=f"{program} [--preset NAME] [--config FILE.yaml] [--any.setting value ...]",
            epilog="Each setting is taken from the command line if it is there, else from the YAML file, the preset, "
            "the default. Lists are written [16, 32, 64] or 16,32,64; nothing is written none.",
        )
        values = {name: self.model.model_validate(dict(of)).model_dump() for name, of in self.presets.items()}
        first = parser.add_argument_group("what to start from")
        first.add_argument(
            "--preset", action="append", metavar="NAME", help=f"{', '.join(self.presets)} (default: {self.default})"
        )
        first.add_argument(
            "--config",
            action="append",
            metavar="FILE",
            help="YAML file with settings, nested as in a study's settings.yaml",
        )
        for short, name in self.aliases.items():
            first.add_argument(
                f"--{short}", action="append", metavar=kind_of(settings[name]), help=f"short for --{name}"
            )
        groups = {"": parser.add_argument_group("the study")}
        for name, field in settings.items():
            above = name.rpartition(".")[0]
            if above not in groups:
                model = model_at(self.model, above.split("."))
                groups[above] = parser.add_argument_group(
                    above, (model.__doc__ or "").split("\n\n")[0].replace("\n", " ")
                )
            text = " ".join((field.description or "").split()).replace("`", "")
            groups[above].add_argument(
                f"--{name}",
                action="append",
                metavar=kind_of(field),
                help=f"{text} [{self._default(name, values)}]".replace("%", "%%"),
            )
        return parser

    def _default(self, name: str, values: Mapping[str, Any]) -> str:
        value = _lookup(values[self.default], name.split("."))
        others = []
        for preset in self.presets:
            other = _lookup(values[preset], name.split("."))
            if other != value:
                others.append(f"{preset}: {shown(other)}")
        return "; ".join([f"default: {shown(value)}", *others])


NOTHING = ("none", "null", "")


def parse_value(text: str, field: FieldInfo, option: str) -> Any:
    """Return the value of a setting from its text on the command line.

    Raises ValueError if the text has the wrong type; the range of the value is checked later.
    """
    admitted = kinds(field.annotation)
    if type(None) in admitted and text.lower() in NOTHING:
        return None
    if is_mapping(field) and text.lower() in NOTHING:
        return {}
    if is_mapping(field) and text.startswith("{"):
        return parse_yaml(text, option, kind_of(field))
    if str in admitted or any(isinstance(kind, str) for kind in admitted):
        return text
    listed = [kind for kind in admitted if get_origin(kind) is tuple]
    if listed and text.lower() in NOTHING:
        return []
    if listed and not text.startswith(("[", "{")):
        if str in get_args(listed[0]):
            return [part.strip() for part in text.split(",")]  # YAML would read 2024 as a number
        scalar_too = len(admitted) > 1 and "," not in text
        text = text if scalar_too else f"[{text}]"
    value = parse_yaml(text, option, kind_of(field))
    check_kind(value, field, option)
    return value


def parse_yaml(text: str, option: str, expected: str) -> Any:
    """Return the value of a YAML text on the command line. Raises ValueError for an invalid one."""
    try:
        return load_yaml(text)
    except yaml.YAMLError:
        raise ValueError(f"{option} {text}: expected {expected}") from None


def _members(arguments: Sequence[str], settings: Mapping[str, FieldInfo]) -> dict[str, str]:
    """Return the arguments that name a member of a mapping (search.space.encoder.layers), each with its setting."""
    names = {argument.removeprefix("--").split("=")[0] for argument in arguments if argument.startswith("--")}
    mappings = [name for name, field in settings.items() if is_mapping(field)]
    return {name: one for name in sorted(names) for one in mappings if name.startswith(f"{one}.") and name != f"{one}."}


def _only(name: str, texts: Sequence[str]) -> str:
    if len(set(texts)) > 1:
        raise ValueError(f"--{name}: given as {' and as '.join(dict.fromkeys(texts))}; say it once")
    return texts[0]


_UNSET = object()


def _lookup(values: Any, path: Sequence[str], unset: Any = None) -> Any:
    for part in path:
        if not isinstance(values, Mapping) or part not in values:
            return unset
        values = values[part]
    return values
