"""The flags: one for each setting, with its help and its range, and those of the commands."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from absl import flags

from lowlevel.config import TRAINING_MODES, Config, Settings
from lowlevel.data.settings import DataSettings
from lowlevel.ranges import Choice, Number, Numbers, Share, Switch, Texts, Whole, Wholes

COMMANDS = (*TRAINING_MODES, "compare", "check")
_OF_COMMANDS = ("report_weights", "output_dir", "overwrite", "data_dir", "verbose_check")


class Call(NamedTuple):
    """What a command line asks for.

    Attributes:
        mode: one of `COMMANDS`; of the first two each names its folder, `module_mode` say.
        config: the settings of the run.
        data: which rows it is about.
        report_weights: whether a report shows every trainable array too.
        output_dir: folder for the run's results; empty to write none.
        overwrite: whether a run that is there is replaced.
        data_dir: folder where the prepared table is kept; empty for TFDS's own.
        verbose_check: whether a check shows what is right as well.
    """

    mode: str
    config: Config
    data: DataSettings
    report_weights: bool
    output_dir: str
    overwrite: bool
    data_dir: str
    verbose_check: bool


def define() -> None:
    """Defines every flag, as one of the program's own, which --helpshort shows."""
    flags.DEFINE_enum(
        "mode",
        "module",
        COMMANDS,
        "module: tf.Module and a loop by hand; keras: Model.fit; compare: both, side by side; "
        "check: the gradients of the likelihood, in both (only --likelihood, --dtype, "
        "--jit_compile, --seed and --threads count)",
    )
    for field in _fields():
        _define_setting(field)
    flags.DEFINE_bool("report_weights", False, "report every trainable array too")
    flags.DEFINE_string(
        "output_dir",
        "",
        "new or empty folder for the settings, history, metrics and weights",
    )
    flags.DEFINE_bool("overwrite", False, "replace the run that --output_dir holds")
    flags.DEFINE_string(
        "data_dir", "", "folder where the prepared table is kept; empty for ~/tensorflow_datasets"
    )
    flags.DEFINE_bool("verbose_check", False, "have --mode=check show what is right as well")
    for name in ("mode", *(field.name for field in _fields())):
        _make_own(name)
    for name in _OF_COMMANDS:
        _make_own(name)


def _define_setting(field: dataclasses.Field) -> None:
    """Defines the flag of one setting, by what it may be."""
    name, within = field.name, field.metadata["within"]
    default: Any = field.default
    text = field.metadata["help"]
    match within:
        case Choice():
            flags.DEFINE_enum(name, default, within.names, text)
        case Switch():
            flags.DEFINE_bool(name, default, text)
        case Whole():
            flags.DEFINE_integer(name, default, f"{text}, at least {within.at_least}")
        case Number():
            least = "above 0" if within.above_zero else "at least 0"
            flags.DEFINE_float(name, default, f"{text}, {least}")
        case Share():
            flags.DEFINE_float(name, default, f"{text}, at least 0 and below 1")
        case Wholes() | Numbers() | Texts():
            flags.DEFINE_list(name, list(default), f"{text}; {within.words}, with commas between")
        case _:
            flags.DEFINE_string(name, default, text)


def _make_own(name: str) -> None:
    """Has --helpshort show a flag, as it shows those that the program's own file defines."""
    flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[name])


def parse(arguments: Sequence[str]) -> Call:
    """Returns what a command line asks for; raises ValueError, one line, for what is off."""
    try:
        rest = flags.FLAGS(arguments)[1:]
    except flags.IllegalFlagValueError as error:
        name = str(error).partition("flag --")[2].partition("=")[0]
        wanted = f"; --{name} wants: {flags.FLAGS[name].help}" if name else ""
        raise ValueError(f"{error}{wanted}") from error
    # absl's, of a value for a flag that takes none, is a plain ValueError.
    except flags.Error as error:
        raise ValueError(str(error)) from error
    if rest:
        raise ValueError(f"expected flags only, got {rest[0]}; see --help")
    try:
        config, data = Config(**_values(Config)), DataSettings(**_values(DataSettings))
    except ValueError as error:
        raise ValueError(f"--{error}") from error
    return Call(flags.FLAGS.mode, config, data, *(flags.FLAGS[name].value for name in _OF_COMMANDS))


def _fields() -> tuple[dataclasses.Field, ...]:
    """Returns every setting."""
    return (*dataclasses.fields(Config), *dataclasses.fields(DataSettings))


def _values(group: type[Settings]) -> dict[str, Any]:
    """Returns what the flags say of a group's settings, numbers in lists as such."""
    values = {field.name: flags.FLAGS[field.name].value for field in dataclasses.fields(group)}
    for field in dataclasses.fields(group):
        if isinstance(field.metadata["within"], (Wholes, Numbers)):
            values[field.name] = [_number(text) for text in values[field.name]]
    return values


def _number(text: Any) -> Any:
    """Returns a text as a number; as it is where it is none, for the range to refuse."""
    for kind in (int, float):
        try:
            return kind(str(text))
        except ValueError:
            continue
    return text


def program() -> str:
    """Returns the program's name, for messages."""
    name = Path(sys.argv[0]).name
    return "lowlevel" if name == "__main__.py" else name
