"""Joining a cluster, and keeping the screen clean, as far as it goes without one."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from darkclr_ray.runtime.cluster import check_reachable, reason
from darkclr_ray.runtime.nodes import can_access
from darkclr_ray.runtime.output import capture_stderr, redirect_output
from darkclr_ray.runtime.private_folder import PREFIX, keep_logs, own_token, private_folder, socket_folder


def test_what_libraries_say_goes_to_the_log(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "study.log"
    with redirect_output(path):
        print("printed")
        logging.getLogger("ray.tune").error("tuned")  # where Ray ran before, it hears no less
        logging.getLogger("darkclr_ray.study").info("studied")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("warned", UserWarning, stacklevel=1)
    print("shown")
    assert capfd.readouterr().out == "shown\n"
    text = path.read_text()
    for word in ("printed", "tuned", "studied", "warned"):
        assert word in text
    logging.getLogger("darkclr_ray.study").warning("after")
    assert "after" not in path.read_text()
    with pytest.raises(OSError, match="broken"), redirect_output(path):
        raise OSError("broken")
    assert "broken" in path.read_text()


def test_a_log_on_a_full_disk_is_no_fault(capfd: pytest.CaptureFixture[str]) -> None:
    with redirect_output(Path("/dev/full")):
        print("printed")
        logging.getLogger("darkclr_ray.study").info("studied")
    assert capfd.readouterr() == ("", "")


def test_what_a_killed_process_left_goes(tmp_path: Path, short_place: Path) -> None:
    note = tmp_path / "ray_folder"
    left = short_place / f"{PREFIX}left"
    (left / "session").mkdir(parents=True)
    note.write_text(str(left))
    with private_folder(note) as folder:
        assert not left.exists()
        assert folder.name.startswith(PREFIX)
        assert Path(note.read_text()) == folder
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not folder.exists()
    assert not note.exists()


def test_only_folders_of_ended_processes_go(tmp_path: Path, short_place: Path) -> None:
    """Not what else a note may say, nor the folder of a running study whose own folder was copied with its note."""
    note, copied, precious = tmp_path / "ray_folder", tmp_path / "copied", short_place / "precious"
    precious.mkdir()
    link = short_place / f"{PREFIX}link"
    link.symlink_to(precious)
    with private_folder(note) as used:
        shutil.copy(note, copied)
        for named in (copied.read_text(), str(precious), str(link), str(precious / f"{PREFIX}elsewhere")):
            copied.write_text(named)
            with private_folder(copied):
                assert used.exists()
                assert precious.exists()
                assert link.is_symlink()


def test_links_are_not_followed_into_the_logs(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of somebody")
    session = tmp_path / "ray" / "session_2026" / "logs"
    (session / "events").mkdir(parents=True)
    (session / "gcs_server.out").write_text("logged")
    (session / "events" / "event.log").write_text("logged")
    (session / "worker.out").symlink_to(secret)
    (session / "events" / "more").symlink_to(tmp_path)
    os.mkfifo(session / "pipe")
    (tmp_path / "ray" / "session_20").symlink_to(tmp_path)
    keep_logs(tmp_path / "ray", tmp_path / "kept")
    kept = {str(path.relative_to(tmp_path / "kept")) for path in (tmp_path / "kept").rglob("*")}
    assert kept == {"gcs_server.out", "events", "events/event.log"}


def test_the_token_is_random_and_in_a_file_of_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)
    for start in ("first", "second"):  # in one process
        (tmp_path / start).mkdir()
        path = own_token(tmp_path / start)
        assert path is not None
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert re.fullmatch("[0-9a-f]{64}", path.read_text())
        assert os.environ["RAY_AUTH_TOKEN"] == path.read_text()
    del os.environ["RAY_AUTH_TOKEN"]
    for name, value in (("RAY_AUTH_TOKEN", "mine"), ("RAY_AUTH_TOKEN_PATH", "/mine"), ("RAY_AUTH_MODE", "disabled")):
        with monkeypatch.context() as said:
            said.setenv(name, value)
            assert own_token(tmp_path) is None
            assert os.environ[name] == value


@pytest.fixture
def short_place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files whose path is short enough for Ray's sockets."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.setenv("RAY_TMPDIR", folder)
        yield Path(folder)


def test_a_folder_too_long_for_sockets_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Path("/tmp/short")
    monkeypatch.setenv("RAY_TMPDIR", str(place))
    assert socket_folder() == place
    monkeypatch.delenv("RAY_TMPDIR")
    monkeypatch.setattr(tempfile, "tempdir", "/scratch/somebody/job.12345678")
    assert socket_folder() == Path("/tmp")
    # the longest that is taken: as Ray makes a path of it, a socket can be bound
    longest = next(n for n in range(40, 0, -1) if str(taken(monkeypatch, "/tmp/" + "x" * n)) != "/tmp")
    made = Path("/tmp/" + "x" * longest) / "darkclr_ray-12345678" / "ray" / ("s" * 42) / "sockets" / "plasma_store"
    assert len(str(made)) == 107


def taken(monkeypatch: pytest.MonkeyPatch, folder: str) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", folder)
    return socket_folder()


def test_a_folder_that_cannot_be_noted_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(FileNotFoundError), private_folder(tmp_path / "nowhere" / "ray_folder"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_c_code_is_heard_only_when_asked(capfd: pytest.CaptureFixture[str]) -> None:
    with capture_stderr() as stderr_text:
        os.write(2, b"gcs_client.cc: InvalidAuthToken\n")
        assert "InvalidAuthToken" in stderr_text()
    os.write(2, b"back\n")
    assert capfd.readouterr().err == "back\n"


@pytest.mark.parametrize(
    ("error", "stderr_text", "words"),
    [
        ("Failed to connect", "Unauthenticated: RPC error: InvalidAuthToken", "requires another token"),
        ("Failed to connect to Ray cluster at h:1", "", "Failed to connect to Ray cluster at h:1; is the head running"),
        (
            "Version mismatch: The cluster was started with:\n  Ray: 2.9",
            "",
            "Version mismatch: The cluster was started",
        ),
        ("", "", "no answer"),
    ],
)
def test_why_a_cluster_cannot_be_joined(error: str, stderr_text: str, words: str) -> None:
    assert words in reason(error, stderr_text)
    assert "\n" not in reason(error, stderr_text)


@pytest.mark.parametrize("address", ["127.0.0.1:9", "127.0.0.1:99999", "no.such.host.invalid:6379", "127.0.0.1:port"])
def test_nobody_at_the_address(address: str) -> None:
    with pytest.raises(ValueError, match=f"--address {address}: .*; is the head running"):
        check_reachable(address)


@pytest.mark.parametrize("address", ["ray://127.0.0.1:10001", "http://127.0.0.1:8265"])
def test_an_address_of_another_kind(address: str) -> None:
    with pytest.raises(ValueError, match=f"--address {address}: give host:port .* ray job submit"):
        check_reachable(address)


def test_somebody_at_the_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        check_reachable(f"127.0.0.1:{server.getsockname()[1]}")
    check_reachable("auto")


def test_a_node_that_does_not_see_the_folder() -> None:
    with tempfile.NamedTemporaryFile("w") as token:
        token.write("seen")
        token.flush()
        assert can_access(token.name)
    assert not can_access(token.name)


@pytest.mark.slow
def test_where_ray_does_not_start() -> None:
    with tempfile.TemporaryDirectory() as temporary:  # a short path: sockets have to fit in
        (Path(temporary) / "logs").mkdir()
        program = f"""
import tempfile
from pathlib import Path
from darkclr_ray.runtime.cluster import running_ray
from darkclr_ray.settings import ComputeSettings
tempfile.tempdir = {temporary!r}
too_small = 1
with running_ray(ComputeSettings(), Path({temporary!r}) / "logs" / "ray", too_small):
    pass
"""
        study = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
        last = study.stderr.strip().splitlines()[-1]
        assert re.match("ValueError: Ray does not start on this machine: .*the same command works later", last)
        assert not any(Path(temporary).glob(f"{PREFIX}*"))
        left = subprocess.run(["pgrep", "-f", temporary], capture_output=True, text=True)
        assert left.stdout == ""


def test_ctrl_c_while_ray_starts() -> None:
    with tempfile.TemporaryDirectory() as temporary:  # a short path: sockets have to fit in
        folder = Path(temporary)
        (folder / "logs").mkdir()
        program = f"""
import signal, tempfile
from pathlib import Path
from darkclr_ray.runtime.cluster import running_ray
from darkclr_ray.settings import ComputeSettings
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
tempfile.tempdir = {temporary!r}
with running_ray(ComputeSettings(), Path({temporary!r}) / "logs" / "ray", 10**8):
    print("started")
"""
        study = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while not any(folder.glob(f"{PREFIX}*/ray/session_2*")):
            assert study.poll() is None
            time.sleep(0.02)
        study.send_signal(signal.SIGINT)
        out, error = study.communicate(timeout=60)
        assert out == b""
        assert error.rstrip().endswith(b"KeyboardInterrupt")
        assert not any(folder.glob(f"{PREFIX}*"))
