"""A training's state on disk: one file, replaced atomically after every epoch, and a line for each epoch beside it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from darkclr_ray.fs_checks import is_of_disk
from darkclr_ray.training.base import Training

CHECKPOINT = "checkpoint.pt"
HISTORY = "history.jsonl"


def save_checkpoint(folder: Path, training: Training) -> None:
    """Write the training's state after its last finished epoch into ``folder``, which is there.

    The history's line comes first, the checkpoint second: whatever a killed process leaves, the checkpoint tells which
    lines count. A reader sees the old checkpoint or the new one, never half of one.
    """
    with open(folder / HISTORY, "a", encoding="utf-8") as lines:
        lines.write(json.dumps(training.history[-1]) + "\n")
    content = {
        "key": canonical(training.key()),
        "history": json.dumps(training.history),
        "state": training.state_dict(),
    }
    partial = folder / (CHECKPOINT + ".partial")
    with open(partial, "wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, folder / CHECKPOINT)


def resume(folder: Path, training: Training, *, writes: bool) -> None:
    """Bring ``training`` to where the checkpoint in ``folder`` left it; where there is none, leave it at its start.

    Where this process ``writes``, the history file is made to agree with the checkpoint. Raises ValueError where the
    folder holds another training or an unreadable file.
    """
    path = folder / CHECKPOINT
    if path.exists():
        try:
            content: dict[str, Any] = torch.load(path, map_location=training.device, weights_only=True)
        except UnpicklingError:
            raise ValueError(
                f"{path} cannot be read: it is damaged, or holds code, which is not run; delete it to train again from "
                f"the start"
            ) from None
        except Exception as error:
            if is_of_disk(error):
                raise
            raise ValueError(f"{path} cannot be read ({error}); delete it to train again from the start") from error
        if content["key"] != canonical(training.key()):
            raise ValueError(
                f"{path} belongs to a {training.kind} training with other settings or input; "
                f"choose another folder, or delete this one to train again from the start"
            )
        training.load_state_dict(content["state"])
        training.history = json.loads(content["history"])
    if writes and folder.exists():
        write_history(folder, training.history)


def write_history(folder: Path, history: list[dict[str, Any]]) -> None:
    """Replace the history file by one line an epoch of ``history``."""
    partial = folder / (HISTORY + ".partial")
    partial.write_text("".join(json.dumps(record) + "\n" for record in history), encoding="utf-8")
    os.replace(partial, folder / HISTORY)


def read_history(folder: Path) -> list[dict[str, Any]]:
    """The records of a training's epochs, in order; empty where it left none (no epochs, for example)."""
    path = folder / HISTORY
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def canonical(key: dict[str, Any]) -> str:
    """One text for one key, whatever the order of its entries.

    >>> canonical({"b": 1, "a": (2, 3)})
    '{"a":[2,3],"b":1}'
    """
    return json.dumps(key, sort_keys=True, separators=(",", ":"), allow_nan=False)
