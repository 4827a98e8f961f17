"""`chaosrun completion SHELL`: the script that makes a shell complete commands, options and files."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from chaosrun.commands._session import Session

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(context: click.Context, *, shell: str) -> None:
    """Print the completion script of a shell.

    \b
      bash   eval "$(chaosrun completion bash)"           in ~/.bashrc
      zsh    eval "$(chaosrun completion zsh)"            in ~/.zshrc
      fish   chaosrun completion fish | source            in ~/.config/fish/config.fish
    """
    session = context.find_object(Session)
    found = get_completion_class(shell)
    assert session is not None
    assert found is not None
    root = context.find_root()
    session.write(found(root.command, {}, "chaosrun", "_CHAOSRUN_COMPLETE").source() + "\n")
