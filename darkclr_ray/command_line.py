"""Settings from a preset, a YAML file and the command line, each over the one before; whatever cannot be is refused.

Every setting is an option of its own (``--encoder.d_z 64``), made from the settings' own descriptions, so that a new
setting needs nothing here. Nothing heavy is imported: a misspelt name is answered at once.
"""

from __future__ import annotations

import argparse
import difflib
import shlex
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Generic, Literal, NoReturn, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from darkclr_ray.settings import merged

Model = TypeVar("Model", bound=BaseModel)

LARGEST_FILE = 1_000_000
"""Bytes of a settings file; what is larger is something else."""

REFUSED = 2
"""Exit status after something that the user can mend."""


@dataclass(frozen=True)
class CommandLine(Generic[Model]):
    """What a script's command line may say.

    Attributes:
        model: the settings.
        presets: named sets of changes to their defaults.
        default: the preset that is taken where none is named.
        description: what the script does.
        aliases: short names of settings, such as {"trials": "search.trials"}.
    """

    model: type[Model]
    presets: Mapping[str, Mapping[str, Any]]
    default: str
    description: str
    aliases: Mapping[str, str]

    def read(self, arguments: Sequence[str], program: str = "") -> tuple[Model, str]:
        """The settings that the arguments ask for, and the name of their preset; help calls the command ``program``.

        Ends the process after ``--help``. Raises ValueError, naming the setting, its value, where it was set and what
        is possible, for anything that cannot be.
        """
        settings = dict(leaves(self.model))
        parser = self._parser(settings, program or script_name())
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
            full = self.aliases.get(name, name)
            if name != full and chosen.get(full, text) != text:
                raise ValueError(f"--{name} {text} and --{full} {chosen[full]} contradict each other; say one of them")
            nested: Any = parse_value(text, settings[full], "--" + name)
            for part in reversed(full.split(".")):
                nested = {part: nested}
            given = merged(given, nested)
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
        """The setting that cannot be, and one sentence on it."""
        path = [str(part) for part in fault["loc"]]
        settings = dict(leaves(self.model))
        while path and ".".join(path) not in settings and not _is_group(self.model, path):
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
                model = _model_at(self.model, above.split("."))
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


@contextmanager
def refusals(program: str = "") -> Iterator[None]:
    """Turn what a user can mend into one message on stderr, after the program's name, and exit status 2.

    That is a ValueError, a fault of the file system, or an ImportError that says which extra to install.
    """
    try:
        yield
    except (ValueError, OSError, ImportError) as error:
        if isinstance(error, ImportError) and error.name is not None:
            raise  # a module that should be there is not: a fault of ours
        refuse(str(error), program)


def refuse(message: str, program: str = "") -> NoReturn:
    """Say what cannot be, and end the process with status 2."""
    print(f"{program or script_name()}: {message}", file=sys.stderr)
    sys.exit(REFUSED)


def script_name() -> str:
    """The name of the script that this process runs."""
    return Path(sys.argv[0]).name


def run_script(main: Callable[[Sequence[str], str], int]) -> NoReturn:
    """Run a command of `darkclr_ray.commands` as a script of its own, and end the process with its exit status."""
    plain_warnings()
    with refusals():
        sys.exit(main(sys.argv[1:], f"python {shlex.quote(sys.argv[0])}"))


def plain_warnings() -> None:
    """From now on show a warning as one line, without the code that gave it."""

    def show(message: Warning | str, *_: Any) -> None:
        print(f"{script_name()}: warning: {message}", file=sys.stderr)

    warnings.showwarning = show  # type: ignore[assignment]


def leaves(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Dotted name and field of every single setting.

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


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML file's mapping. Raises ValueError where it is none, cannot be read, or says a thing twice."""
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST_FILE + 1).decode()
        if len(text) > LARGEST_FILE:
            raise ValueError(f"{path}: more than {LARGEST_FILE} bytes; --config wants a YAML file with settings")
        content = load_yaml(text)
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file; --config wants a YAML file with settings") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read ({error}); --config wants a YAML file with settings") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not readable as YAML: {' '.join(str(error).split())}; mend the file") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected settings as 'name: value', found {shown(content)}")
    return content


def load_yaml(text: str) -> Any:
    """Plain YAML's values. Raises YAMLError, whatever is wrong: PyYAML itself trips over an ill-formed ``!!bool``."""
    try:
        return yaml.load(text, _StrictLoader)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise yaml.YAMLError(f"{type(error).__name__}: {error}") from None


class _StrictLoader(yaml.SafeLoader):
    """YAML's plain values; a key given twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = [key for key, times in Counter(keys).items() if times > 1]
        if twice:
            raise yaml.YAMLError(f"{twice[0]!r} is set twice{node.start_mark}")
        return super().construct_mapping(node, deep)


def check_names(model: type[BaseModel], content: Mapping[Any, Any], file: str, above: tuple[str, ...] = ()) -> None:
    """Raise ValueError, with the nearest name there is, for a name in a YAML file that is no setting."""
    settings = dict(leaves(model))
    for key, value in content.items():
        path = (*above, str(key))
        name = ".".join(path)
        if _is_group(model, path):
            if not isinstance(value, dict):
                members = [leaf.removeprefix(name + ".") for leaf in settings if leaf.startswith(name + ".")]
                raise ValueError(f"{file}: {name}: expected some of {', '.join(members)}, found {shown(value)}")
            check_names(model, value, file, path)
        elif name not in settings:
            groups = {leaf.rpartition(".")[0] for leaf in settings} - {""}
            raise ValueError(f"{file}: {name}: unknown setting{suggestion(name, [*settings, *groups])}")
        else:
            check_kind(value, settings[name], f"{file}: {name}")


def parse_value(text: str, field: FieldInfo, option: str) -> Any:
    """What a word on the command line means for a setting; whether it is possible is checked later."""
    kinds = _kinds(field.annotation)
    if type(None) in kinds and text.lower() in ("none", "null", ""):
        return None
    if str in kinds or any(isinstance(kind, str) for kind in kinds):
        return text
    listed = any(get_origin(kind) is tuple for kind in kinds)
    if listed and not text.startswith("["):
        scalar_too = len(kinds) > 1 and "," not in text
        text = text if scalar_too else f"[{text}]"
    try:
        value = load_yaml(text)
    except yaml.YAMLError:
        raise ValueError(f"{option} {text}: expected {kind_of(field)}") from None
    check_kind(value, field, option)
    return value


def check_kind(value: Any, field: FieldInfo, where: str) -> None:
    """Refuse a yes or no where a number is wanted: pydantic would count it as 1 or 0."""
    if isinstance(value, bool) and bool not in _kinds(field.annotation):
        raise ValueError(f"{where}: expected {kind_of(field)}, found {shown(value)}")


def kind_of(field: FieldInfo) -> str:
    """A word for what a setting takes, for help and messages.

    >>> from darkclr_ray.settings import InputSettings
    >>> kind_of(InputSettings.model_fields["pt"])
    'gev|fraction'
    """
    choices = choices_of(field)
    if choices:
        return "|".join(choices)
    words = {int: "INTEGER", float: "NUMBER", bool: "true|false", str: "TEXT", type(None): "none"}
    return "|".join(dict.fromkeys(words.get(kind, "LIST") for kind in _kinds(field.annotation)))


def choices_of(field: FieldInfo) -> tuple[str, ...]:
    """The words that a setting takes, where they are few."""
    return tuple(kind for kind in _kinds(field.annotation) if isinstance(kind, str))


def _kinds(annotation: Any) -> tuple[Any, ...]:
    """The types, and the literal words, that an annotation admits."""
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        return tuple(kind for part in get_args(annotation) for kind in _kinds(part))
    if origin is Literal:
        return get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        return _kinds(annotation.__origin__)
    return (annotation,)


def suggestion(name: str, known: Sequence[str], prefix: str = "") -> str:
    """The nearest known setting: one whose last part is the same comes first.

    >>> suggestion("d_z", ["encoder.d_z", "search.d_z", "seed"], "--")
    '; did you mean --encoder.d_z or --search.d_z?'
    """
    last = name.rpartition(".")[2]
    same = [other for other in known if other.rpartition(".")[2] == last]
    near = same or difflib.get_close_matches(name, known, 1, 0.6)
    if not near:
        lasts = {other.rpartition(".")[2]: other for other in reversed(known)}
        near = [lasts[other] for other in difflib.get_close_matches(last, lasts, 1, 0.6)]
    if not near:
        return "; --help lists them all"
    return f"; did you mean {' or '.join(prefix + other for other in near[:3])}?"


def nearest(word: str, known: Mapping[str, Any] | Sequence[str]) -> str:
    """The nearest of a few known words, and all of them."""
    near = difflib.get_close_matches(word, list(known), 1, 0.5)
    return (f"; did you mean {near[0]!r}?" if near else ";") + f" There are: {', '.join(known)}"


def shown(value: Any, depth: int = 3) -> str:
    """A value as it is written on the command line, cut short where it is long or deep.

    >>> shown((16, 32)), shown(None)
    ('[16, 32]', 'none')
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple | set | dict):
        parts = [shown(part, depth - 1) for part in list(value)[:20]] if depth else ["..."]
        return f"[{', '.join(parts + ['...'] * (len(value) > 20))}]"
    text = str(value) if not isinstance(value, int) or abs(value) < 10**80 else "a number of more than 80 digits"
    return text if len(text) <= 80 else text[:77] + "..."


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


def _model_at(model: type[BaseModel], path: Sequence[str]) -> type[BaseModel]:
    for part in path:
        inner = model.model_fields[part].annotation
        assert isinstance(inner, type)
        assert issubclass(inner, BaseModel)
        model = inner
    return model


def _is_group(model: type[BaseModel], path: Sequence[str]) -> bool:
    return any(name.startswith(".".join(path) + ".") for name, _ in leaves(model))


class Parser(argparse.ArgumentParser):
    """A parser that knows no abbreviations, and raises ValueError for what it does not understand."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"allow_abbrev": False, "formatter_class": _Help, **options})

    def read(self, arguments: Sequence[str]) -> argparse.Namespace:
        """The arguments by name; ends the process after ``--help``. Raises ValueError, with the nearest option."""
        known, unknown = self.parse_known_args(arguments)
        for word in unknown:
            if not word.startswith("-"):
                raise ValueError(f"{word!r}: unexpected; --help says what is expected")
            options = [text for action in self._actions for text in action.option_strings if text.startswith("--")]
            raise ValueError(f"{word}: unknown option{nearest(word, options)}")
        return known

    def error(self, message: str) -> NoReturn:
        raise ValueError(message.removeprefix("argument "))


class _Help(argparse.HelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=110)
