"""Start Ray on this machine or join a cluster, redirect its output to files, and clean up afterwards."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import shutil
import signal
import socket
import tempfile
import threading
import uuid
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from joblib import cpu_count

from darkclr_ray.settings import ComputeSettings

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
TOKEN = ".shared-"
"""Prefix of the files with which nodes check that they share a folder."""


@dataclass(frozen=True)
class Cluster:
    """A running Ray.

    Attributes:
        dashboard: its address, if there is one.
        own: whether it was started for this study, on this machine.
    """

    dashboard: str | None
    own: bool


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
    temporary: Path | None = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if address:
            context = join(address, **common)
        else:
            temporary = temporary_folder(logs.with_name("ray_folder"))
            context = start(
                temporary,
                num_cpus=max(2, cpu_count()),  # this process's: a container may allow fewer than there are
                object_store_memory=object_store,
                include_dashboard=True,
                dashboard_host="127.0.0.1",
                **common,
            )
    try:
        with redirect_output(logs.parent / "study.log"):
            try:
                yield Cluster(getattr(context, "dashboard_url", None) or None, own=temporary is not None)
            finally:
                ray.shutdown()  # here, since Ray prints delayed output when it ends
    finally:
        if temporary is not None:
            keep_logs(temporary, logs)
            shutil.rmtree(temporary, ignore_errors=True)
            with contextlib.suppress(OSError):
                logs.with_name("ray_folder").unlink(missing_ok=True)


def start(temporary: Path, **options: Any) -> Any:
    """Start Ray on this machine, and return the context of `ray.init`.

    Args:
        temporary: folder for Ray's sockets and logs; deleted where Ray does not start.
        options: of `ray.init`.

    Raises:
        ValueError: Ray does not start.
    """
    import ray

    try:
        with defer_signal(signal.SIGINT):
            return ray.init(address="local", _temp_dir=str(temporary), **options)
    except BaseException as error:
        try:
            ray.shutdown()
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        if not isinstance(error, Exception):
            raise  # Ctrl-C
        raise ValueError(
            f"Ray does not start on this machine: {' '.join(str(error).split())} Where the machine is only "
            f"very busy, the same command works later"
        ) from error


@contextlib.contextmanager
def defer_signal(number: signal.Signals) -> Iterator[None]:
    """Defer a signal until the end of the context, since Ray leaves processes behind if its start is interrupted."""
    if threading.current_thread() is not threading.main_thread():
        yield  # where signals do not arrive
        return
    received: list[FrameType | None] = []
    before = signal.signal(number, lambda _, frame: received.append(frame))
    try:
        yield
    finally:
        signal.signal(number, before)
    if received:
        signal.raise_signal(number)


def join(address: str, **options: Any) -> Any:
    """Join a running cluster and return the context of `ray.init`.

    Raises ValueError: no answer, another token, or another version of Ray or Python.
    """
    import ray

    check_reachable(address)
    with capture_stderr() as stderr_text:
        try:
            return ray.init(address=address, **options)
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


def temporary_folder(note: Path) -> Path:
    """Create a temporary folder for Ray and record its path in ``note``; delete the folder recorded there before."""
    place = socket_folder()
    if note.exists():
        left = Path(note.read_text(encoding="utf-8"))
        if left.name.startswith(PREFIX) and left.parent == place:
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
    try:
        note.write_text(str(folder), encoding="utf-8")
    except OSError:
        folder.rmdir()
        raise
    return folder


def socket_folder() -> Path:
    """Return the parent of Ray's folder: RAY_TMPDIR or TMPDIR, or /tmp if that is too long for Ray's sockets."""
    place = Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir())
    longest = place / f"{PREFIX}12345678" / "session_2026-01-01_00-00-00_123456_1234567" / "sockets" / "plasma_store"
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
    """Copy Ray's logs, and replace those of an earlier run."""
    for session in temporary.glob("session_2*"):
        with contextlib.suppress(OSError):
            shutil.rmtree(logs, ignore_errors=True)
            shutil.copytree(session / "logs", logs, ignore=shutil.ignore_patterns("*.sock", "old"))


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
