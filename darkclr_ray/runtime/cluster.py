"""Start Ray on this machine or join a cluster."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joblib import cpu_count

from darkclr_ray.plugins import IMPORT_FOLDERS, enter_working_folder, import_folders
from darkclr_ray.runtime.output import capture_stderr, redirect_output
from darkclr_ray.runtime.private_folder import keep_logs, own_token, private_folder
from darkclr_ray.runtime.signals import defer_signals
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
