"""`chaosrun compare A B`: is B, a new release, worse than A, the baseline?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chaosrun.commands._options import FORMAT
from chaosrun.commands._session import Session
from chaosrun.errors import UsageError

if TYPE_CHECKING:
    from chaosrun.scoring.comparable import Subject
    from chaosrun.scoring.comparison import Comparison, Run

_DEFAULT = "ttr"


@click.command("compare", short_help="Compare the runs of two releases.")
@click.argument("baseline", metavar="A")
@click.argument("candidate", metavar="B")
@click.option(
    "--metric",
    "names",
    multiple=True,
    metavar="NAME",
    help=f"Decide by this number, as in back_99 or response_p99@baseline; may be repeated.  [default: {_DEFAULT}]",
)
@click.option(
    "--format",
    "form",
    type=FORMAT,
    default="text",
    show_default=True,
    help="What standard output gets: a summary, or the comparison as JSON.",
)
@click.option(
    "--page",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a page that has both side by side, too.",
)
@click.pass_obj
def command(
    session: Session, *, baseline: str, candidate: str, names: tuple[str, ...], form: str, page: Path | None
) -> int:
    """Is B worse than A?

    A, the baseline, and B, the candidate, are each the folder of a run, of a series (--repeat), a folder that holds
    such folders, a result.json, or several of these with commas between them. Both must have been made under the same
    conditions. It takes several runs of each for a regression to show: at least 3 and 3, or 2 and 5.

    Exit code: 0 no regression, 1 a regression, 2 they cannot be compared, 3 nobody can tell.
    """
    from chaosrun.commands._tables import colourful, width  # noqa: PLC0415 - only when called
    from chaosrun.kept_runs import find_runs, identity, read_kept, refuse_copies, refuse_unlike  # noqa: PLC0415 - as above
    from chaosrun.reports._comparison import render, to_json  # noqa: PLC0415 - as above
    from chaosrun.scoring.comparable import SHOWN  # noqa: PLC0415 - as above
    from chaosrun.scoring.comparison import compare  # noqa: PLC0415 - as above

    a, b = find_runs(baseline), find_runs(candidate)
    twice = set(map(identity, a)) & set(map(identity, b))
    if twice:
        raise UsageError(f"{min(twice)}: is in A and in B; a run cannot be compared with itself")
    runs_a, runs_b = [read_kept(place) for place in a], [read_kept(place) for place in b]
    refuse_copies([*runs_a, *runs_b])
    refuse_unlike(runs_a, runs_b)
    _refuse_too_many(len(runs_a), len(runs_b))
    _refuse_without_fault(runs_a[0], names)
    groups = list(runs_a[0].result.groups)
    comparison = compare(runs_a, runs_b, decide=_subjects(names or (_DEFAULT,), groups), also=_subjects(SHOWN, groups))
    if page is not None:
        _write_page(session, page, comparison, (baseline, runs_a), (candidate, runs_b))
    if form == "json":
        session.write_bytes(to_json(comparison))
    else:
        title = runs_b[0].result.title
        session.write(render(comparison, baseline, candidate, title, width=width(), colour=colourful()))
    return comparison.exit_code


def _write_page(
    session: Session, page: Path, comparison: Comparison, a: tuple[str, Sequence[Run]], b: tuple[str, Sequence[Run]]
) -> None:
    """Both sides on a page of their own.

    Raises:
        Unwritable: it cannot be written.
    """
    from chaosrun.charts.draw import draw  # noqa: PLC0415 - only for a page
    from chaosrun.errors import Unwritable  # noqa: PLC0415 - as above
    from chaosrun.kept_runs import is_recorded, read_assessed  # noqa: PLC0415 - as above
    from chaosrun.reports._compare_page import OneSide, Shown, render_page, representative  # noqa: PLC0415 - as above

    sides = []
    for letter, (named, runs), side in (("A", a, comparison.a), ("B", b, comparison.b)):
        gone = {each.run for each in side.left_out}
        kept = [run for run in runs if run.name not in gone] or list(runs)
        run = representative(kept)
        picture = None
        if is_recorded(Path(run.name)):
            assessed = read_assessed(Path(run.name))
            picture = draw(assessed.evidence, assessed.result)
        sides.append(OneSide(letter, named, side, [each.result for each in kept], Shown(run, picture)))
    drawn = render_page(comparison, b[1][0].result.title, *sides)
    try:
        page.write_bytes(drawn)
    except OSError as error:
        raise Unwritable(f"{page}: cannot be written ({error.strerror}); name another file with --page") from error
    session.tell(f"the page is {page}")


def _subjects(names: Iterable[str], groups: list[str]) -> Sequence[Subject]:
    """What the names stand for, each once.

    Raises:
        UsageError: runs cannot be compared by it.
    """
    from chaosrun.scoring.comparable import subjects  # noqa: PLC0415 - only when called
    from chaosrun.scoring.compared_names import no_such_number  # noqa: PLC0415 - as above

    found: dict[Subject, None] = {}
    for name in names:
        try:
            found.update(dict.fromkeys(subjects(name, groups)))
        except KeyError:
            raise UsageError(no_such_number(name)) from None
    return list(found)


def _refuse_too_many(a: int, b: int) -> None:
    from chaosrun.scoring.ranks import LARGEST  # noqa: PLC0415 - as above

    if a + b > LARGEST:
        raise UsageError(f"{a} and {b} runs; at most {LARGEST} in all are compared exactly: name fewer")


def _refuse_without_fault(run: Run, names: Sequence[str]) -> None:
    if not run.result.faults and not names:
        raise UsageError(
            f"{run.name}: a load test, without a fault and so without a time to recover; name what to decide by, "
            "as in --metric response_p99"
        )
