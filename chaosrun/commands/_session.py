"""One call of the command line: its two output streams, the secrets that must not show in them, and its errors."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from chaosrun.errors import Unwritable
from chaosrun.reports._safe_text import clean_lines, fit_encoding
from chaosrun.reports._streams import silence
from chaosrun.spec.secret import mask


class Session:
    """Where commands write. Standard output carries what was asked for, standard error everything else."""

    def __init__(self) -> None:
        self.debug = False
        self.form = "text"
        """What `--format` says; of a command without it, text."""
        self.secrets: set[str] = set()
        """Texts that are masked in everything that is written."""

    def write(self, text: str) -> None:
        """To standard output, with the secrets masked and in characters that it can show.

        What comes from files or servers has been through `clean` before: colours may be in it by now.

        Raises:
            Unwritable: the disk is full, or whoever read it has gone.
        """
        encoding = sys.stdout.encoding or "ascii"
        self.write_bytes(fit_encoding(mask(text, self.secrets), encoding).encode(encoding))

    def write_line(self, text: str) -> None:
        """The same, with a line end.

        Raises:
            Unwritable: as for `write`.
        """
        self.write(f"{text}\n")

    def write_bytes(self, data: bytes) -> None:
        """To standard output as it is: for machines.

        Raises:
            Unwritable: as for `write`.
        """
        try:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except OSError as error:
            silence(sys.stdout)
            raise Unwritable(f"standard output: {error.strerror}; what was to be written there is lost") from error

    def complain(self, text: str) -> None:
        """An error in words, to standard error."""
        self.tell(f"chaosrun: {text}")

    def tell(self, text: str) -> None:
        """A line or more to standard error; if that is gone too there is nobody left to tell."""
        try:
            click.echo(fit_encoding(clean_lines(mask(text, self.secrets)), sys.stderr.encoding), err=True)
        except OSError:
            silence(sys.stderr)

    def complain_of_defect(self, error: BaseException) -> None:
        """A short message; the traceback goes to standard error with --debug, otherwise to a file."""
        import traceback  # noqa: PLC0415 - only for defects

        trace = "".join(traceback.format_exception(error))
        if self.debug:
            self.tell(trace)
            return
        summary = f"a defect of chaosrun: {type(error).__name__}: {error}"
        try:
            hint = f"the traceback is in {self._keep(trace)}"
        except OSError:
            hint = "--debug shows the traceback"
        self.complain(f"{summary}\n{hint}; please report it")

    def _keep(self, trace: str) -> Path:
        """A file for its owner's eyes only: even masked, a traceback may quote a server."""
        import tempfile  # noqa: PLC0415 - only for defects

        descriptor, name = tempfile.mkstemp(prefix="chaosrun-defect-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(mask(trace, self.secrets))
        return Path(name)
