"""Checkpoints of trainings: one file, replaced atomically after every epoch, and a history with a line per epoch."""

from __future__ import annotations

import io
import json
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from darkclr_ray.integrity import Damaged, announce, read_sealed, replacing, write_sealed
from darkclr_ray.training.base import Training

CHECKPOINT = "checkpoint.pt"
HISTORY = "history.jsonl"


def save_checkpoint(folder: Path, training: Training) -> None:
    """Write the training's state after its last finished epoch to ``folder``, which must exist.

    The history's line is written before the checkpoint, so that after an interruption the checkpoint defines which
    lines are valid. A reader sees either the old checkpoint or the new one, never a part of one.
    """
    with open(folder / HISTORY, "a", encoding="utf-8") as lines:
        lines.write(json.dumps(training.history[-1]) + "\n")
    content = {
        "key": canonical(training.key()),
        "history": json.dumps(training.history),
        "state": training.state_dict(),
    }
    write_sealed(folder / CHECKPOINT, lambda file: torch.save(content, file))


def resume(folder: Path, training: Training, *, writes: bool) -> None:
    """Restore ``training`` from the checkpoint in ``folder``; without a checkpoint the training is left unchanged.

    A process that ``writes`` truncates the history file to the checkpoint's epochs. A damaged checkpoint is ignored,
    with a warning in the log. Raises ValueError if the folder belongs to another training.
    """
    path = folder / CHECKPOINT
    content = load_checkpoint(path, training.device)
    if content is not None:
        if content["key"] != canonical(training.key()):
            raise ValueError(
                f"{path} belongs to a {training.kind} training with other settings or input; "
                f"choose another folder, or delete this one to train again from the start"
            )
        training.load_state_dict(content["state"])
        training.history = json.loads(content["history"])
    if writes and folder.exists():
        write_history(folder, training.history)


def load_checkpoint(path: Path, device: torch.device) -> dict[str, Any] | None:
    """Return the state that `save_checkpoint` wrote, or None if the file is missing or damaged.

    The checksum is verified first, since torch verifies none. No code in the file is executed.
    """
    try:
        return dict(torch.load(io.BytesIO(read_sealed(path)), map_location=device, weights_only=True))
    except FileNotFoundError:
        return None
    except (Damaged, UnpicklingError):
        announce(f"{path}: damaged, or holds code, which is not run; this training starts again from its beginning")
        return None


def write_history(folder: Path, history: list[dict[str, Any]]) -> None:
    """Replace the history file by the records in ``history``, one line per epoch."""
    with replacing(folder / HISTORY) as partial:
        partial.write_text("".join(json.dumps(record) + "\n" for record in history), encoding="utf-8")


def read_history(folder: Path) -> list[dict[str, Any]]:
    """Return the records of a training's epochs, in order; empty if there is no history (no epochs, for example)."""
    path = folder / HISTORY
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def canonical(key: dict[str, Any]) -> str:
    """Return a key as JSON text that does not depend on the order of its entries.

    >>> canonical({"b": 1, "a": (2, 3)})
    '{"a":[2,3],"b":1}'
    """
    return json.dumps(key, sort_keys=True, separators=(",", ":"), allow_nan=False)
