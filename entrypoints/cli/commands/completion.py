"""`pageturner completion`: what a shell needs to complete commands, options and names."""

from enum import StrEnum
from typing import Annotated

import typer

from ...terminal import write


class Shell(StrEnum):
    """A shell that can complete."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Annotated[Shell, typer.Argument(help="The shell.")]) -> None:
    """Print a script that has a shell complete commands, options, and the names of locations, lists and reports.

    Example: source <(pageturner completion bash)
    """
    from typer.completion import get_completion_script  # type: ignore[attr-defined] # typer only imports it there

    write(get_completion_script(prog_name="pageturner", complete_var="_PAGETURNER_COMPLETE", shell=shell))
