"""The flags: one for each setting, with its help and its range, and those of the commands."""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from absl import flags

from lowlevel.config import AUTO, MUST, RESUMES, TRAINING_MODES, Config, Settings
from lowlevel.data.settings import DataSettings
from lowlevel.ranges import Choice, Interval, Number, Numbers, Share, Switch, Texts, Whole, Wholes

PREDICT = "predict"
COMMANDS = (*TRAINING_MODES, "compare", "check", PREDICT)
_OF_PREDICT = ("model", "input", "output")
_OF_COMMANDS = (
    "report_weights",
    "output_dir",
    "export",
    "report",
    "overwrite",
    "checkpoint_every",
    "resume",
    "tensorboard",
    "data_dir",
    "verbose_check",
    *_OF_PREDICT,
)


class Call(NamedTuple):
    """What a command line asks for.

    Attributes:
        mode: one of `COMMANDS`; of the first two each names its folder, `module_mode` say.
        config: the settings of the run.
        data: which rows it is about.
        report_weights: whether a report shows every trainable array too.
        output_dir: folder for the run's results; empty to write none.
        export: whether the model is put into that folder as well, for other programs.
        report: whether a page for a reader is put there, too.
        overwrite: whether a run that is there is replaced, or a file of scores.
        checkpoint_every: how often a checkpoint is written, as `ranges.Interval` has it.
        resume: whether a run goes on from its checkpoints, as `config.RESUMES` has it.
        tensorboard: whether the run is written down for TensorBoard as well.
        data_dir: folder where the prepared table is kept; empty for TFDS's own.
        verbose_check: whether a check shows what is right as well.
        model: folder of the run whose model scores rows.
        input: the rows, as `data.files.paths` takes them.
        output: file for the scores; empty for standard output.
    """

    mode: str
    config: Config
    data: DataSettings
    report_weights: bool
    output_dir: str
    export: bool
    report: bool
    overwrite: bool
    checkpoint_every: str
    resume: str
    tensorboard: bool
    data_dir: str
    verbose_check: bool
    model: str
    input: str
    output: str


def define() -> None:
    """Defines every flag, as one of the program's own, which --helpshort shows."""
    flags.DEFINE_enum(
        "mode",
        "module",
        COMMANDS,
        "module: tf.Module and a loop by hand; keras: Model.fit; compare: both, side by side; "
        "check: the gradients of the likelihood, in both (only --likelihood, --dtype, "
        "--jit_compile, --seed and --threads count); predict: scores of the rows in --input by the "
        "model in --model",
    )
    for field in _fields():
        _define_setting(field)
    _define_results()
    flags.DEFINE_bool("verbose_check", False, "have --mode=check show what is right as well")
    for name in ("mode", *(field.name for field in _fields())):
        _make_own(name)
    for name in _OF_COMMANDS:
        _make_own(name)


def _define_results() -> None:
    """Defines the flags of what a run leaves, and where."""
    flags.DEFINE_bool("report_weights", False, "report every trainable array too")
    flags.DEFINE_string(
        "output_dir",
        "",
        "new or empty folder for the settings, history, metrics, weights and model",
    )
    flags.DEFINE_bool(
        "export",
        True,
        "put the model into --output_dir, for other programs and --mode=predict, and have a fresh "
        "process load it and score rows",
    )
    flags.DEFINE_bool(
        "report",
        True,
        "put a page for a reader into --output_dir, report.html, and its pictures",
    )
    flags.DEFINE_bool(
        "overwrite", False, "replace the run that --output_dir holds, or the file --output"
    )
    flags.DEFINE_string(
        "checkpoint_every",
        "",
        f"{Interval().words}, from one checkpoint of --output_dir to the next; left out, once a "
        "minute and at a report, whichever is rarer",
    )
    flags.DEFINE_enum(
        "resume",
        AUTO,
        RESUMES,
        "auto: goes on from the checkpoints of a run of the same settings and rows, of either "
        "mode, if there are any in --output_dir; must: fails if there are none; never: begins anew",
    )
    flags.DEFINE_string(
        "data_dir", "", "folder where the prepared table is kept; empty for ~/tensorflow_datasets"
    )
    _define_tensorboard()
    _define_predict()


def _define_tensorboard() -> None:
    """Defines the flag of TensorBoard."""
    flags.DEFINE_bool(
        "tensorboard",
        False,
        "write loss, metrics, weights and gradients at each report, for TensorBoard: into "
        "tensorboard in --output_dir, and next to it, with .tensorboard at its end, in training",
    )


def _define_predict() -> None:
    """Defines the flags of --mode=predict."""
    flags.DEFINE_string("model", "", "for --mode=predict: folder of the run whose model scores")
    flags.DEFINE_string(
        "input",
        "",
        "for --mode=predict: a CSV or Parquet file, a folder of them, or a glob in quotes",
    )
    flags.DEFINE_string(
        "output",
        "",
        "for --mode=predict: file for the scores, .csv or .parquet; left out, they are printed",
    )


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
    call = Call(flags.FLAGS.mode, config, data, *(flags.FLAGS[name].value for name in _OF_COMMANDS))
    _check_predict(call)
    _check_checkpoints(call)
    _check_tensorboard(call)
    return call


def _check_checkpoints(call: Call) -> None:
    """Raises ValueError unless the flags of checkpoints are of their range, and of use."""
    try:
        Interval().accept(call.checkpoint_every)
    except ValueError:
        raise ValueError(
            f"--checkpoint_every: expected {Interval().words}, got {call.checkpoint_every}"
        ) from None
    given = call.checkpoint_every or call.resume == MUST
    if given and not (call.output_dir and call.mode in TRAINING_MODES):
        name = "checkpoint_every" if call.checkpoint_every else "resume"
        raise ValueError(
            f"--{name}: expected with --output_dir and --mode={' or '.join(TRAINING_MODES)}, got "
            "it without"
        )


def _check_tensorboard(call: Call) -> None:
    """Raises ValueError unless there is a run to write down, and a place for it."""
    if call.tensorboard and not (call.output_dir and call.mode in (*TRAINING_MODES, "compare")):
        raise ValueError(
            "--tensorboard: expected with --output_dir and a --mode that trains, got it without"
        )


def _check_predict(call: Call) -> None:
    """Raises ValueError unless the flags of --mode=predict are given with it, and with it alone."""
    for name in _OF_PREDICT:
        given = getattr(call, name)
        if given and call.mode != PREDICT:
            raise ValueError(f"--{name}: expected with --mode={PREDICT}, got it with {call.mode}")
        if not given and call.mode == PREDICT and name != "output":
            raise ValueError(f"--{name}: {flags.FLAGS[name].help}; got none")


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
