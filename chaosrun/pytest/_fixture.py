"""What the fixture `chaosrun` is: runs an experiment in a process of its own, and makes of its end a test's outcome."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn, get_args

import pytest

from chaosrun.running import Asked, Ended, Running

if TYPE_CHECKING:
    from chaosrun.pytest._result import RunResult

Way = Literal["fail", "skip", "xfail"]

_UNAVAILABLE: Final = 69
_NOT_NOW: Final = 75
_MEANING: Final = {
    2: "the experiment or a file is wrong, and nothing was started",
    4: "it was stopped before there was anything to score",
    5: "THE SYSTEM IS NOT AS IT WAS FOUND",
    _UNAVAILABLE: "something that it needs is not here",
    70: "a defect of chaosrun",
    74: "something could not be written",
    _NOT_NOW: "another run holds the target",
}


class NotPassed(AssertionError):
    """A run has a verdict, and it is not `passed`: failed, inconclusive, aborted or dirty."""

    __module__ = "chaosrun.pytest"


class BrokenOff(Exception):
    """A run has no result. `code` is its exit code (docs/exit-codes.md)."""

    __module__ = "chaosrun.pytest"

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Defaults:
    """What holds for a test where its calls do not say otherwise."""

    root: Path
    """Relative paths of experiments, targets and reports start here: pytest's root directory."""
    report_dir: Path
    experiment: str | Path | None = None
    profile: str | None = None
    target: str | Path | None = None
    sets: Mapping[str, object] = field(default_factory=dict)
    inconclusive: Way = "fail"
    unavailable: Way = "fail"


def defaults_of(request: pytest.FixtureRequest) -> Defaults:
    """What command line, ini file and the nearest marker say, the marker first.

    Raises:
        pytest.UsageError: one of them says what cannot be.
    """
    config = request.config
    root = config.rootpath
    named = config.getoption("--chaosrun-report-dir")
    defaults = Defaults(
        root=root,
        report_dir=config.invocation_params.dir / named if named else root / config.getini("chaosrun_report_dir"),
        profile=config.getoption("--chaosrun-profile") or config.getini("chaosrun_profile") or None,
        inconclusive=_way("ini key chaosrun_inconclusive", config.getini("chaosrun_inconclusive")),
        unavailable=_way("ini key chaosrun_unavailable", config.getini("chaosrun_unavailable")),
    )
    marker = request.node.get_closest_marker("chaosrun")
    return defaults if marker is None else _marked(defaults, marker)


def _marked(defaults: Defaults, marker: pytest.Mark) -> Defaults:
    known = ("experiment", "profile", "target", "sets", "inconclusive", "unavailable")
    said: dict[str, Any] = dict(marker.kwargs)
    if len(marker.args) > 1 or (marker.args and "experiment" in said):
        raise pytest.UsageError("the marker chaosrun takes one experiment, and the rest by name")
    if marker.args:
        said["experiment"] = marker.args[0]
    for key in said:
        if key not in known:
            raise pytest.UsageError(f"the marker chaosrun knows no {key!r}; known: {', '.join(known)}")
    for key in ("inconclusive", "unavailable"):
        if key in said:
            _way(f"the marker's {key}", said[key])
    return replace(defaults, **said)


def _way(whose: str, said: object) -> Way:
    for way in get_args(Way):
        if said == way:
            return way  # type: ignore[no-any-return]
    raise pytest.UsageError(f"{whose} is {said!r}; write {', '.join(get_args(Way))}")


class Chaosrun:
    """Runs chaos experiments for one test."""

    def __init__(self, node: pytest.Item, defaults: Defaults, turns: Path | None) -> None:
        self._node = node
        self._defaults = defaults
        self._turns = turns
        self._going_on: list[Running] = []
        self._is_over = False
        """The test is: no run begins any more."""
        self._beginning = threading.Lock()

    def run(
        self,
        experiment: str | Path | None = None,
        *,
        profile: str | None = None,
        target: str | Path | None = None,
        url: str | None = None,
        sets: Mapping[str, object] | None = None,
        repeat: int | None = None,
        arguments: Sequence[str] = (),
        check: bool = True,
        inconclusive: Way | None = None,
        unavailable: Way | None = None,
    ) -> RunResult:
        """Run an experiment to its end, and score it. Blocks; may be called in a thread.

        Args:
            experiment: the file, from the root directory; None: the marker's.
            profile: None: that of marker, command line or ini file.
            target: a target file, in place of the experiment's own.
            url: of the service, where a test has started it itself: `target.url`.
            sets: further overrides, as by `--set`: a path to a value that JSON can tell.
            repeat: a series of so many runs; the result is that of the series.
            arguments: anything else for the command line.
            check: the test fails unless the run has passed. False: a failed run is returned, too, to be looked at.
            inconclusive: what a run that proved nothing is to the test.
            unavailable: what it is that something which the experiment needs is not here.

        Raises:
            NotPassed: the run has failed (with `check`), proved nothing, was stopped, or left the system not as it was
                found.
            BrokenOff: there is no result.
        """
        __tracebackhide__ = True
        said = self._defaults
        file = experiment if experiment is not None else said.experiment
        if file is None:
            raise pytest.UsageError("name an experiment: chaosrun.run('my.yaml'), or by the marker chaosrun")
        path = said.root / file
        if path.is_dir():
            several = "@pytest.mark.parametrize('file', sorted(pathlib.Path('experiments').glob('*.yaml')))"
            raise pytest.UsageError(f"{path} is a folder, and a test is of one experiment: {several}")
        asked = Asked(
            run=str(path),
            profile=profile or said.profile,
            target=None if (other := target or said.target) is None else str(said.root / other),
            sets={**said.sets, **({} if url is None else {"target.url": url}), **(sets or {})},
            report_dir=str(said.report_dir),
            repeat=repeat,
            arguments=arguments,
        )
        with self._turn():
            ended = self._run(asked)
        return self._judged(
            ended,
            check=check,
            inconclusive=said.inconclusive if inconclusive is None else _way("inconclusive", inconclusive),
            unavailable=said.unavailable if unavailable is None else _way("unavailable", unavailable),
        )

    def close(self) -> None:
        """End what goes on, in order: runs in threads that the test did not wait for. None begins after it."""
        with self._beginning:
            self._is_over = True
            going_on = tuple(self._going_on)  # each thread takes its own out
        for running in going_on:
            running.stop()

    def _run(self, asked: Asked) -> Ended:
        __tracebackhide__ = True
        with self._beginning:
            if self._is_over:
                raise pytest.UsageError("chaosrun.run() in a thread: its test is over, and nothing was started")
            running = Running(asked.command_line(), cwd=self._defaults.root, tell=_tell)
            self._going_on.append(running)
        try:
            return running.wait()
        except BaseException:  # Ctrl-C, or a time-out: nothing that was broken stays broken
            running.stop()
            raise
        finally:
            if running.is_over:
                self._going_on.remove(running)

    def _judged(self, ended: Ended, *, check: bool, inconclusive: Way, unavailable: Way) -> RunResult:
        __tracebackhide__ = True
        if not ended.out.strip():
            meaning = _MEANING.get(ended.code, "it was killed" if ended.code < 0 else "it has no result")
            text = f"chaosrun ended with {ended.code}: {meaning}\n{ended.complaint}".rstrip()
            if ended.code == _NOT_NOW:
                text += "\nruns on one target take turns: give them one worker by @pytest.mark.xdist_group"
            if ended.code == _UNAVAILABLE:
                _leave(unavailable, text)
            raise BrokenOff(text, ended.code)
        from chaosrun.pytest._result import read_result  # noqa: PLC0415 - nothing that a start of pytest has use for

        result = read_result(ended.out, self._defaults.report_dir)
        told = {"verdict": result.verdict, "ttr_s": result.recovery.ttr_s, "report": str(result.report)}
        self._node.user_properties += [(f"chaosrun_{key}", value) for key, value in told.items()]
        if result.verdict == "inconclusive" and result.exit_code == ended.code:
            _leave(inconclusive, result.explanation())
        if ended.code != result.exit_code:  # such as a report that could not be drawn
            raise BrokenOff(f"{result.explanation()}\n{ended.complaint}", ended.code)
        if check or result.verdict != "failed":
            result.assert_passed()
        return result

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Among the workers of pytest-xdist one run at a time: two on one machine spoil each other's measurement."""
        if self._turns is None:
            yield
            return
        import fcntl  # noqa: PLC0415 - pytest loads this module on machines, too, that have none

        with self._turns.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _leave(way: Way, text: str) -> None:
    """Nothing where the way is to fail."""
    __tracebackhide__ = True
    if way == "skip":
        pytest.skip(text)
    if way == "xfail":
        _xfail(text)


def _xfail(text: str) -> NoReturn:
    __tracebackhide__ = True
    pytest.xfail(text)


def _tell(line: str) -> None:
    """Progress, as output of the test: pytest shows it where the test fails."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - as above
