"""The reports that the commands leave, where there is a folder and --noreport does not bar them."""

from typing import TYPE_CHECKING

from lowlevel.cli import output
from lowlevel.cli.flags import Call

if TYPE_CHECKING:
    from lowlevel.experiment import Comparison, Run
    from lowlevel.experiment.tables import Tables
    from lowlevel.report.holdout import HoldoutLosses
    from lowlevel.storage.run_folder import Results


def observer(call: Call, found: "Tables") -> "HoldoutLosses | None":
    """Returns what has to see a run for its report; None where there is to be none."""
    if not (call.output_dir and call.report):
        return None
    from lowlevel.report.holdout import HoldoutLosses

    return HoldoutLosses(found.test)


def of_run(
    call: Call, run: "Run", found: "Tables", results: "Results", held: "HoldoutLosses"
) -> dict[str, bytes]:
    """Returns the files of a run's report, and says so if something is missing for them."""
    from lowlevel.report import files, one_run

    output.show_note(files.how_to_have_pictures())
    return one_run.files(call.mode, run, found, results, call.data, held)


def of_comparison(call: Call, result: "Comparison", found: "Tables") -> dict[str, bytes]:
    """Returns the files of a comparison's report, likewise; none where there is to be none."""
    if not (call.output_dir and call.report):
        return {}
    from lowlevel.report import files, two_runs

    output.show_note(files.how_to_have_pictures())
    return two_runs.files(result, found, call.data, output.verdict(result))
