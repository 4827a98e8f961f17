"""The command line: which commands there are, what an error looks like, and with which exit code it ends.

A command is a file in `chaosrun/commands/`; `run` is the default one. Nothing heavy is imported before a command needs
it: `chaosrun --help` answers within 150 ms.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Final

import click
from click.shell_completion import CompletionItem

from chaosrun import __version__
from chaosrun.commands._session import Session
from chaosrun.errors import ChaosrunError, Exit, SpecError, Unwritable, understood

PROGRAM: Final = "chaosrun"
DEFAULT: Final = "run"
COMMANDS: Final = (
    "run",
    "validate",
    "list",
    "init",
    "plan",
    "explain",
    "score",
    "report",
    "compare",
    "history",
    "gameday",
    "schedule",
    "recover",
    "tell",
    "serve",
    "doctor",
    "completion",
)
"""In the order in which the help lists them."""

_HELP = """Chaos engineering for WebSocket services: live clients, real faults, true recovery numbers.

\b
  chaosrun experiments/server-restart.yaml     run an experiment
  chaosrun init ws://127.0.0.1:8000/ws         write a first one for your own service
"""
_EPILOG = """\b
Exit codes: 0 passed, 1 failed, 2 wrong usage or file, 3 inconclusive,
4 aborted, 5 not left as found, 69 something needed is not here,
70 a defect of chaosrun, 74 something could not be written, 75 not now.
"""


class CommandLine(click.Group):
    """A group whose commands are imported when used, and whose default command may go unnamed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"chaosrun.commands.{cmd_name}").command
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, self._with_default(ctx, args))

    def _with_default(self, ctx: click.Context, args: Sequence[str]) -> list[str]:
        """`chaosrun FILE --profile smoke` is `chaosrun run FILE --profile smoke`."""
        own = {name for param in self.get_params(ctx) for name in param.opts}
        for place, word in enumerate(args):
            if word in own:
                continue
            if word in COMMANDS:
                break
            if not ctx.resilient_parsing and not word.startswith("-"):
                refuse_unknown(word)
            return [*args[:place], DEFAULT, *args[place:]]
        return list(args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands, and the files that the default command would run."""
        return [*super().shell_complete(ctx, incomplete), CompletionItem(incomplete, type="file")]


def refuse_unknown(word: str) -> None:
    """Tell a misspelt command from a file that is not there.

    Raises:
        click.UsageError: `word` is neither a command nor looks like a file.
    """
    # The method of a path raises where its name is longer than a name can be.
    if Path(word).suffix or len(Path(word).parts) > 1 or os.path.exists(word):  # noqa: PTH110
        return
    from difflib import get_close_matches  # noqa: PLC0415 - only for errors

    close = get_close_matches(word, COMMANDS, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"commands: {', '.join(COMMANDS)}"
    raise click.UsageError(f"{word!r} is neither a command nor a file; {hint}")


@click.command(
    cls=CommandLine,
    help=_HELP,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--debug", is_flag=True, help="Show the traceback of a defect.")
@click.version_option(__version__, prog_name=PROGRAM, message="%(prog)s %(version)s")
@click.pass_obj
def command_line(session: Session, debug: bool) -> None:
    session.debug = debug


def run_command_line(args: Sequence[str]) -> int:
    """Do what the command line says; the return value is the exit code. No error gets past it."""
    session = Session()
    try:
        returned = command_line.main(list(args), PROGRAM, obj=session, standalone_mode=False)
        return Exit.PASSED if returned is None else int(returned)
    except SystemExit:  # so click ends when it finds standard output closed, with a code that means "failed"
        return Exit.UNWRITABLE
    except KeyboardInterrupt as error:
        return _report(session, error)
    except Exception as error:
        return _report(session, understood(error))


def _report(session: Session, error: BaseException) -> Exit:
    """Say what went wrong, to the user where they can mend it; the exit code for it."""
    code = Exit.DEFECT
    if session.form == "github" and isinstance(error, ChaosrunError):
        _annotate(session, error)
    match error:
        case click.Abort() | KeyboardInterrupt():
            code = Exit.ABORTED
            session.complain("interrupted; no run was under way")
        case click.exceptions.NoArgsIsHelpError():
            code = Exit.USAGE
            session.tell(error.format_message())
        case click.ClickException():
            code = Exit.USAGE
            session.complain(_usage_text(error))
        case SpecError():
            code = error.exit
            session.tell(str(error))  # bare lines, so that an editor can jump to each
        case ChaosrunError():
            code = error.exit
            session.complain(str(error))
        case _:
            session.complain_of_defect(error)
    return code


def _annotate(session: Session, error: ChaosrunError) -> None:
    """The same for GitHub Actions, which shows it at the line of the file."""
    from chaosrun.commands._output import workspace  # noqa: PLC0415 - only when asked
    from chaosrun.reports._github import complaints  # noqa: PLC0415 - as above

    with contextlib.suppress(Unwritable):  # which `error` may be itself
        for line in complaints(error, workspace()):
            session.write_line(line)


def _usage_text(error: click.ClickException) -> str:
    """click's message with the way to the help; its own exit codes would collide with those of verdicts."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = context.command_path if context is not None else PROGRAM
    return f"{error.format_message()}\n`{path} --help` shows what can be said"
