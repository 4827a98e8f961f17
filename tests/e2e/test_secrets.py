"""A secret is planted in every place that takes one, with a service that repeats each of them; afterwards every file
and every byte printed is searched, and so was every process while it ran."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest
from e2e_running import Finished, Run, chaosrun, descendants, free_port

HERE = Path(__file__).parent
SLOW = pytest.mark.slow
pytestmark = pytest.mark.timeout(300)
SECRETS = {
    "LEAKY_PASSWORD": "p4ss-w0rd~of~the-clients",
    "LEAKY_TOKEN": 't0k3n-"quoted"-währung',
    "LEAKY_ARGUMENT": "4rgum3nt/of+the-program",
}
PHRASE = "phr4se0f many words, which is broken over the lines of any table that it stands in as it is"
KEY = "k3y-of~the+house/42"
PASSWORDS = [f"pa55-w0rd+of/{number}" for number in range(8)]
ARGUMENT = "4rgum3nt"


def forms(secret: str) -> Iterator[bytes]:
    """What of a secret is searched for: worked out here by itself, not by what hides them."""
    yield from (secret.encode(), quote(secret).encode(), quote(secret, safe="").encode())
    yield from (json.dumps(secret)[1:-1].encode(), json.dumps(secret, ensure_ascii=False)[1:-1].encode())
    yield from (repr(secret)[1:-1].encode(), secret.encode("unicode_escape"), secret.encode().hex().encode())
    for before in range(3):
        yield b64encode(b"x" * before + secret.encode())[4:-4]
    yield secret[:8].encode()


NEEDLES = {needle for secret in (*SECRETS.values(), PHRASE, KEY, *PASSWORDS) for needle in forms(secret)}


@dataclass
class Planted:
    """An experiment with its secrets, in a folder of its own."""

    folder: Path
    seen: dict[bytes, bytes] = field(default_factory=dict)
    """The command line of every process of the run, with its environment."""

    def __post_init__(self) -> None:
        (self.folder / "leaky.yaml").write_bytes((HERE / "leaky.yaml").read_bytes())
        (self.folder / "leaky.key").write_bytes(f"{KEY}\r\n".encode())
        rows = [f'u{number},"{password}"' for number, password in enumerate(PASSWORDS)]
        (self.folder / "leaky.csv").write_text("\n".join(["login,password", *rows, ""]))
        self.env = SECRETS | {
            "LEAKY_PORT": str(free_port()),
            "LEAKY_PYTHON": sys.executable,
            "LEAKY_SERVICE": str(HERE / "leaky_service.py"),
            "PYTHONPATH": str(HERE),
        }

    @property
    def file(self) -> Path:
        return self.folder / "leaky.yaml"

    @property
    def reports(self) -> Path:
        return self.folder / "reports"

    def run(self, *arguments: str) -> Run:
        run = chaosrun(self.file, *arguments, reports=self.reports, env=self.env)
        threading.Thread(target=self._watch, args=(run.process,), daemon=True).start()
        return run

    def command(self, *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
        words = [sys.executable, "-m", "chaosrun", *map(str, arguments)]
        return subprocess.run(words, capture_output=True, timeout=120, check=False, env=os.environ | self.env)

    def _watch(self, process: subprocess.Popen[str]) -> None:
        while process.poll() is None:
            for each in descendants(process.pid):
                try:
                    line = Path(f"/proc/{each.pid}/cmdline").read_bytes()
                    self.seen[line] = Path(f"/proc/{each.pid}/environ").read_bytes()
                except OSError:
                    continue

    def nothing_is_out(self, *said: str | bytes) -> None:
        """Neither in what was said, nor in any file, nor in any process, but for the words that the user wrote."""
        for text in said:
            assert found(text if isinstance(text, bytes) else text.encode(errors="surrogateescape")) == []
        files = [Path(base) / name for base, _, names in os.walk(self.reports) for name in names]
        for file in files:
            assert (file, found(file.read_bytes())) == (file, [])
            assert found(str(file).encode()) == []
        for line, environment in self.seen.items():
            ours = found(line)
            if b"leaky_service" in line or b"sys.argv" in line:
                ours = [needle for needle in ours if not needle.startswith(ARGUMENT.encode())]
            assert ours == [], line
            if b"chaosrun.load." in line or b"chaosrun.safety.guardian" in line:
                assert found(environment) == [], line


def found(data: bytes) -> list[bytes]:
    return [needle for needle in NEEDLES if needle in data]


@pytest.fixture
def planted(tmp_path: Path) -> Planted:
    return Planted(tmp_path)


def said_of(finished: Finished) -> tuple[str, str]:
    return finished.out, finished.err


def test_secrets_are_in_no_file_of_a_whole_run_and_in_nothing_that_is_printed(planted: Planted) -> None:
    finished = planted.run().finish()
    assert finished.code in (0, 1, 3), finished.err
    assert finished.folder is not None
    journal = (finished.folder / "journal.jsonl").read_text()
    assert '"type":"confirmed"' in journal, "the faults were injected"
    assert "switch?key=***" in journal
    assert "***" in (finished.folder / "roles" / "app.log").read_text(), "the service did repeat them"
    assert "***" in (finished.folder / "faults" / "fault-2.log").read_text()
    assert any(b"chaosrun.load.worker" in line for line in planted.seen)
    assert any(b"chaosrun.load.prober" in line for line in planted.seen)
    assert any(b"chaosrun.safety.guardian" in line for line in planted.seen)
    again = planted.command("score", finished.folder, "--format", "json")
    planted.nothing_is_out(*said_of(finished), again.stdout, again.stderr)


@SLOW
@pytest.mark.parametrize(
    "words", [("validate",), ("doctor",), ("run", "--dry-run"), ("run", "--dry-run", "--format", "json")]
)
def test_secrets_are_in_nothing_that_is_told_without_a_run(planted: Planted, words: tuple[str, ...]) -> None:
    done = planted.command(*words, planted.file)
    assert done.returncode in (0, 69), done.stderr
    assert done.stdout
    planted.nothing_is_out(done.stdout, done.stderr)


@SLOW
@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("", "", b"needs 4 clients"),
        ("title: Nothing", "nonsense: '${secret.key}'\ntitle: ${secret.token}", b"not valid (2 problems)"),
        ('run: ["${python}"', 'run: ["/opt/${secret.token}"', b"lacks program /opt/***"),
        ('command: ["${python}"', 'command: ["/opt/${secret.phrase}"', b"lacks program /opt/***"),
    ],
    ids=["valid", "wrong", "lacking", "broken over lines"],
)
def test_secrets_are_not_in_a_list_of_experiments(planted: Planted, old: str, new: str, told: bytes) -> None:
    planted.file.write_text(planted.file.read_text().replace(old, new, 1))
    planted.env["LEAKY_PHRASE"] = PHRASE
    done = planted.command("list", planted.folder)
    assert told in done.stdout, done.stdout
    planted.nothing_is_out(done.stdout, done.stderr)


@SLOW
def test_secrets_are_not_in_what_a_killed_run_leaves(planted: Planted) -> None:
    run = planted.run("--format", "json")
    run.wait_for(type="phase", name="recovery")
    run.process.kill()
    planted.nothing_is_out(*said_of(run.finish()))


@SLOW
def test_secrets_are_not_in_the_last_words_of_a_service_that_never_gets_ready(planted: Planted) -> None:
    finished = planted.run("--set", "target.roles.app.command.2=${secret.argument}").finish()
    assert finished.code == 69, finished.err
    assert "base 10: '***'" in finished.err
    planted.nothing_is_out(*said_of(finished))


@SLOW
def test_passwords_are_not_in_the_words_of_a_defect_of_the_load(planted: Planted) -> None:
    finished = planted.run("--set", "steady_state.load.users.protocol=leaky_protocol:Leaky").finish()
    assert finished.code == 3, finished.err
    assert "no idea what to ask as" in finished.err
    assert "***" in finished.err
    planted.nothing_is_out(*said_of(finished))


@SLOW
def test_secrets_are_not_in_what_a_series_leaves(planted: Planted) -> None:
    finished = planted.run("--repeat", "2", "--cool-down", "0s").finish()
    assert finished.code in (0, 1, 3), finished.err
    planted.nothing_is_out(*said_of(finished))
    assert finished.folder is not None
    first, second = sorted(finished.folder.glob("*/journal.jsonl"))
    for form in ("text", "json"):
        done = planted.command("compare", first.parent, second.parent, "--format", form)
        assert done.returncode in (0, 1, 3), done.stderr
        planted.nothing_is_out(done.stdout, done.stderr)


@SLOW
@pytest.mark.parametrize(
    "wrong",
    [
        "target.url=${secret.token}",
        "target.url=ws://${secret.token}:80/ws",
        "target.roles.app.cwd=${secret.key}",
        "steady_state.load.users.accounts.csv=${secret.key}",
        "method.0.send.method=${secret.key}",
        "method=[{fault: http, send: {path: /on}, undo: {path: '/x?${secret.key}'}}]",
        "steady_state.load.users.protocol.open=[{send: {a: ['${secret.key}', {b}]}}]",
        "secrets.token={file: leaky.csv, nonsense: 1}",
    ],
)
def test_secrets_are_not_in_the_errors_of_a_wrong_file(planted: Planted, wrong: str) -> None:
    done = planted.command("validate", planted.file, "--set", wrong)
    assert done.returncode == 2, done.stderr
    assert b"--set" in done.stderr
    planted.nothing_is_out(done.stdout, done.stderr)
