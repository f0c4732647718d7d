"""Start Ray on this machine or join a cluster, redirect its output to files, and clean up afterwards."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import secrets
import shutil
import signal
import socket
import tempfile
import threading
import uuid
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

from joblib import cpu_count

from darkclr_ray.plugins import IMPORT_FOLDERS, enter_working_folder, import_folders
from darkclr_ray.settings import ComputeSettings
from darkclr_ray.store.locks import Lock

RAY_ENV = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.3",  # the controller's poll; its 2 s would be added to every start
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "30",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths mean the same everywhere
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # the study has its own
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    "TUNE_MAX_PENDING_TRIALS_PG": "1",
}

PREFIX = "darkclr_ray-"
LONGEST_SOCKET = 107
"""Largest number of bytes in the path of a socket on Linux (unix(7))."""
LOCK = ".lock"
"""File that a process holds locked while it uses the folder of its own Ray."""
TOKEN = ".shared-"
"""Prefix of the files with which nodes check that they share a folder."""


@dataclass(frozen=True)
class Cluster:
    """A running Ray.

    Attributes:
        dashboard: its address, if there is one.
        own: whether it was started for this study, on this machine.
        token: file with the token that the dashboard of one's own Ray asks for; None if it asks for none.
    """

    dashboard: str | None
    own: bool
    token: Path | None = None


@contextlib.contextmanager
def running_ray(compute: ComputeSettings, logs: Path, object_store: int) -> Iterator[Cluster]:
    """Context manager in which Ray runs.

    Args:
        compute: settings with the address; without one (nor `RAY_ADDRESS`), or with "local", Ray is started here.
        logs: folder for the logs of a Ray that is started here.
        object_store: bytes of shared memory for jets and batches, if Ray is started here.

    Raises:
        ValueError: the cluster cannot be used.
    """
    address = address_of(compute.address)
    for name, value in RAY_ENV.items():
        os.environ.setdefault(name, value)
    import ray

    common: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
    with contextlib.ExitStack() as stack:
        token: Path | None = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if address:
                context = join(address, **common)
            else:
                temporary = stack.enter_context(private_folder(logs.with_name("ray_folder")))
                token = own_token(temporary)
                context = start(
                    temporary / "ray",
                    num_cpus=max(2, cpu_count()),  # this process's: a container may allow fewer than there are
                    object_store_memory=object_store,
                    include_dashboard=True,
                    dashboard_host="127.0.0.1",
                    **common,
                )
                stack.callback(keep_logs, temporary / "ray", logs)
        with redirect_output(logs.parent / "study.log"):
            try:
                yield Cluster(getattr(context, "dashboard_url", None) or None, own=not address, token=token)
            finally:
                ray.shutdown()  # here, since Ray prints delayed output when it ends


def own_token(folder: Path) -> Path | None:
    """Set a random token for a Ray that this process starts; return a file in ``folder`` that contains it.

    Without a token in its environment, Ray would write one to the home folder, which may not be writable. The file is
    for people, and only its owner may read it. None is returned if the environment says how Ray is to authenticate. The
    token stays in the environment: Ray remembers the token of a process, which all later children must have, too.
    """
    names = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
    if os.environ.get("RAY_AUTH_TOKEN") != token_of_process() and any(name in os.environ for name in names):
        return None
    path = folder / "token"
    path.touch(mode=0o600)
    path.write_text(token_of_process(), encoding="utf-8")
    os.environ["RAY_AUTH_TOKEN"] = token_of_process()
    return path


@cache
def token_of_process() -> str:
    """Return a random token, always the same one in a process, since Ray reads the token of a process only once."""
    return secrets.token_hex(32)


def start(temporary: Path, **options: Any) -> Any:
    """Start Ray on this machine, and return the context of `ray.init`.

    Args:
        temporary: folder for Ray's sockets and logs, in a `private_folder`: Ray makes it writable for everybody.
        options: of `ray.init`.

    Raises:
        ValueError: Ray does not start.
    """
    import ray

    try:
        with defer_signals(), working_folder_last() as environment:
            return ray.init(address="local", _temp_dir=str(temporary), runtime_env=environment, **options)
    except BaseException as error:
        ray.shutdown()
        if not isinstance(error, Exception):
            raise  # Ctrl-C
        raise ValueError(
            f"Ray does not start on this machine: {' '.join(str(error).split())} Where the machine is only "
            f"very busy, the same command works later"
        ) from error


@contextlib.contextmanager
def working_folder_last() -> Iterator[dict[str, Any]]:
    """Yield the ``runtime_env`` with which workers have the working folder, and import from it after all other places.

    Ray puts the folder that is the working folder while it starts before all other places of its workers, and its own
    processes begin there: a file ``random.py`` in it would take the place of Python's module.
    """
    hook = f"{enter_working_folder.__module__}.{enter_working_folder.__name__}"
    environment = {"worker_process_setup_hook": hook, "env_vars": {IMPORT_FOLDERS: import_folders()}}
    with contextlib.chdir("/"):
        yield environment


def stopping_signals() -> list[signal.Signals]:
    """Return the signals that ask a study to stop; SIGHUP is none of them where it is ignored, as under nohup."""
    hung_up = [signal.SIGHUP] if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN else []
    return [signal.SIGINT, signal.SIGTERM, *hung_up]


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Within this context, SIGTERM and SIGHUP raise KeyboardInterrupt, as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in stopping_signals() if number != signal.SIGINT}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def defer_signals() -> Iterator[None]:
    """Have signals that stop a study wait until the end of this: interrupted while it starts, Ray leaves processes."""
    if threading.current_thread() is not threading.main_thread():
        yield  # where signals do not arrive
        return
    came: list[int] = []
    before = {number: signal.signal(number, lambda which, _: came.append(which)) for number in stopping_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        signal.raise_signal(came[0])


def join(address: str, **options: Any) -> Any:
    """Join a running cluster and return the context of `ray.init`.

    Raises ValueError: no answer, another token, or another version of Ray or Python.
    """
    import ray

    check_reachable(address)
    with capture_stderr() as stderr_text:
        try:
            with working_folder_last() as environment:
                return ray.init(address=address, runtime_env=environment, **options)
        except Exception as error:
            raise ValueError(f"--address {address}: {reason(str(error), stderr_text())}") from error


@contextlib.contextmanager
def capture_stderr() -> Iterator[Callable[[], str]]:
    """Redirect the process's stderr, to which Ray's C++ writes; yield a function that returns the text so far."""
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as file:
        screen = os.dup(2)
        os.dup2(file.fileno(), 2)

        def text_so_far() -> str:
            file.seek(0)
            return file.read()

        try:
            yield text_so_far
        finally:
            os.dup2(screen, 2)
            os.close(screen)


def address_of(named: str | None) -> str | None:
    """Return the address of the cluster, from the settings or `RAY_ADDRESS`; None to start Ray here ("local")."""
    address = named or os.environ.get("RAY_ADDRESS")
    return None if address == "local" else address or None


def check_reachable(address: str) -> None:
    """Raise ValueError if an address does not answer or is that of Ray's client (``ray://``).

    Ray itself would try for ten minutes. With the client, the search would run in another process.
    """
    if "://" in address:
        raise ValueError(
            f"--address {address}: give host:port of the cluster's head (its port is 6379 unless told otherwise), or "
            f"auto on one of its machines; from elsewhere, hand the whole command to "
            f"ray job submit --address http://HEAD:8265 -- with --address auto"
        )
    host, colon, port = address.rpartition(":")
    if not colon:
        return  # "auto": Ray knows
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, ValueError, OverflowError) as error:
        raise ValueError(
            f"--address {address}: {error}; is the head running, and can it be reached from here?"
        ) from None


def reason(error: str, stderr_text: str) -> str:
    """Return why a cluster could not be joined, as one sentence."""
    if "AuthToken" in error + stderr_text or "Unauthenticated" in error + stderr_text:
        return (
            "this cluster requires another token; set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN, or RAY_AUTH_TOKEN_PATH, "
            "to those of its head"
        )
    text = " ".join(error.split())
    return text if "ersion mismatch" in text else f"{text or 'no answer'}; is the head running and can it be reached?"


@contextlib.contextmanager
def private_folder(note: Path | None = None) -> Iterator[Path]:
    """Make a folder that only its owner may enter, for one's own Ray; delete it at the end of the context.

    Args:
        note: file that records the folder. The folder that a killed process recorded there is deleted first, unless a
            process uses it: a study may be copied, together with its note, while it runs.
    """
    place = socket_folder()
    if note is not None and note.exists():
        delete_unused(Path(note.read_text(encoding="utf-8")), place)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    try:
        with Lock(folder / LOCK) as lock:
            lock.acquire()
            if note is not None:
                note.write_text(str(folder), encoding="utf-8")
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if note is not None:
            with contextlib.suppress(OSError):
                note.unlink(missing_ok=True)


def delete_unused(folder: Path, place: Path) -> None:
    """Delete a folder for Ray in ``place`` whose process has ended; leave any other folder as it is."""
    if not folder.name.startswith(PREFIX) or folder.parent != place or folder.is_symlink() or not folder.is_dir():
        return
    if folder.stat().st_uid != os.getuid():
        return
    with Lock(folder / LOCK) as lock, contextlib.suppress(OSError):
        if lock.acquire():
            shutil.rmtree(folder, ignore_errors=True)


def socket_folder() -> Path:
    """Return the parent of Ray's folder: RAY_TMPDIR or TMPDIR, or /tmp if that is too long for Ray's sockets."""
    place = Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()).absolute()
    session = place / f"{PREFIX}12345678" / "ray" / "session_2026-01-01_00-00-00_123456_1234567"
    longest = session / "sockets" / "plasma_store"
    return place if len(os.fsencode(longest)) <= LONGEST_SOCKET else Path("/tmp")


class LossyLog(io.TextIOWrapper):
    """Text stream that drops writes which fail with OSError."""

    def write(self, text: str, /) -> int:
        with contextlib.suppress(OSError):
            super().write(text)
        return len(text)


@contextlib.contextmanager
def redirect_output(path: Path) -> Iterator[None]:
    """Redirect output, warnings and logs of libraries in this process to a file; a final error is logged, too."""
    with LossyLog(open(path, "ab", buffering=0), encoding="utf-8", write_through=True) as file:
        handler = logging.StreamHandler(file)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logging.captureWarnings(True)
        loggers = [logging.getLogger(name) for name in ("ray", "ray.data", "ray.train", "ray.tune", "py.warnings")]
        before = [(logger, logger.handlers, logger.propagate) for logger in loggers]
        for logger in loggers:
            logger.handlers, logger.propagate = [handler], False
        own = logging.getLogger("darkclr_ray")
        own.setLevel(logging.INFO)
        own.addHandler(handler)
        try:
            with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
                yield
        except Exception:
            own.exception("ended by an error")
            raise
        finally:
            own.removeHandler(handler)
            for logger, handlers, propagate in before:
                logger.handlers, logger.propagate = handlers, propagate
            logging.captureWarnings(False)


def keep_logs(temporary: Path, logs: Path) -> None:
    """Copy what Ray wrote, in place of what an earlier run left; symbolic links are left out."""

    def left_out(folder: str, names: list[str]) -> set[str]:
        return {name for name in names if name == "old" or not is_own(Path(folder) / name)}

    for session in temporary.glob("session_2*"):
        if session.is_symlink() or (session / "logs").is_symlink():
            continue
        with contextlib.suppress(OSError):
            shutil.rmtree(logs, ignore_errors=True)
            shutil.copytree(session / "logs", logs, ignore=left_out)


def is_own(path: Path) -> bool:
    """Return whether a path is a regular file or a folder itself: no symbolic link, socket or pipe."""
    return not path.is_symlink() and (path.is_file() or path.is_dir())


def check_shared(folder: Path) -> None:
    """Raise ValueError unless every node of the cluster can access the same folder."""
    folder = folder.resolve()
    token = folder / f"{TOKEN}{uuid.uuid4().hex}"
    try:
        token.write_text("seen")
        for node in failing_nodes(can_access, str(token)):
            raise ValueError(
                f"{folder}: node {node} cannot access this folder; point --out at storage that all nodes share (NFS, "
                f"for example)"
            )
    finally:
        token.unlink(missing_ok=True)


def failing_nodes(question: Callable[..., bool], *arguments: Any) -> list[str]:
    """Call a function on every node, if there are several; return the addresses of those where it returns False.

    Raises ValueError if a node does not answer.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes = [node for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    if len(nodes) < 2:
        return []
    there = ray.remote(num_cpus=0)(question)
    places = [NodeAffinitySchedulingStrategy(node["NodeID"], soft=False) for node in nodes]
    answers = [there.options(scheduling_strategy=place).remote(*arguments) for place in places]
    failing = []
    for node, answer in zip(nodes, answers, strict=True):
        try:
            if not ray.get(answer, timeout=60):
                failing.append(node["NodeManagerAddress"])
        except ray.exceptions.RayError as error:
            raise ValueError(
                f"node {node['NodeManagerAddress']} does not answer ({type(error).__name__}); take it out of the "
                f"cluster, or wait until it is back"
            ) from error
    return failing


def can_access(path: str) -> bool:
    """Whether this node can read and write beside a file."""
    file = Path(path)
    beside = file.with_name(f"{file.name}-{os.getpid()}")
    try:
        try:
            beside.write_text("written")
        finally:
            beside.unlink(missing_ok=True)
        return file.read_text() == "seen"
    except OSError:
        return False
