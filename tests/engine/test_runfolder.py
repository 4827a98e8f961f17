"""Claims about the folder of a run, and about which hosts a run may reach."""

from __future__ import annotations

import resource
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaosrun.errors import Unwritable, UsageError
from chaosrun.preflight import is_loopback, refuse_strangers
from chaosrun.runfolder import make_run_folder, slug, write_whole

NOON = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


@given(title=st.text())
def test_a_slug_is_one_plain_piece_of_a_path_whatever_the_title(title: str) -> None:
    name = slug(title)
    assert name
    assert len(name) <= 60
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert Path("reports", name).parent == Path("reports")


def test_a_run_folder_is_for_its_owner_only_and_named_by_time_and_title(tmp_path: Path) -> None:
    folder = make_run_folder(tmp_path / "reports", "300 users, one crash!", NOON)
    assert folder.name == "20261121T120000Z-300-users-one-crash"
    assert folder.stat().st_mode & 0o777 == 0o700


def test_two_runs_of_one_second_do_not_share_a_folder(tmp_path: Path) -> None:
    first = make_run_folder(tmp_path, "same", NOON)
    second = make_run_folder(tmp_path, "same", NOON)
    assert second.name == f"{first.name}-2"


def test_a_report_directory_that_cannot_be_written_is_said_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unwritable, match="--report-dir"):
        make_run_folder(tmp_path / "file" / "reports", "x", NOON)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_whole(path, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2, hard))  # as good as a full disk
    try:
        with pytest.raises(Unwritable, match="chaosrun score"):
            write_whole(path, b"new")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["result.json"]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1", "shop.localhost"])
def test_loopback_needs_no_leave(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["example.com", "10.0.0.1", "localhost.example.com", "127.0.0.1.example.com", "0.0.0.0"]
)
def test_any_other_host_must_be_named(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(UsageError, match=rf"allow: \[{host}\]"):
        refuse_strangers(f"wss://{host}/ws", ["elsewhere.example.com"])
    refuse_strangers(f"wss://{host.upper()}/ws", [host])


def test_a_url_without_a_host_is_refused() -> None:
    with pytest.raises(UsageError, match="names no host"):
        refuse_strangers("ws:///path", [])


def test_a_link_in_the_place_of_the_half_written_file_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / ".result.json.part").symlink_to(victim)
    write_whole(tmp_path / "result.json", b"new")
    assert (victim.read_bytes(), (tmp_path / "result.json").read_bytes()) == (b"precious", b"new")
    assert not (tmp_path / "result.json").is_symlink()
