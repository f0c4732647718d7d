"""Why Ray lost a process, in one sentence: Ray's own reports have up to 180 lines."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MEMORY = re.compile(
    r"Memory on the node \(IP: (?P<node>[^,)]+)[^)]*\) was (?P<used>[\d.]+)GB(?: used)? / (?P<limit>[\d.]+)GB"
)
_KILLED = re.compile(r"(?:Selected to kill: |killing policy: \[)\((.*?)\)\]?$", re.MULTILINE)
_NAME = re.compile(r"(?:task|actor) name=(?P<name>[^,]*)")
_SIZE = re.compile(r"memory used=(?P<size>[\d.]+)GB")
_ERROR = re.compile(r"[\w.]*(Error|Exception)(\(\w+\))?: .")
_SIGKILL = "the process was killed by the OOM killer"


@dataclass(frozen=True)
class OutOfMemory:
    """What Ray reports when it kills processes because the memory of a node is full.

    Attributes:
        node: address of the node.
        used, limit: memory of the node in GB: in use then, and in total.
        killed: name and memory in GB of each killed process, the largest first.
    """

    node: str
    used: float
    limit: float
    killed: tuple[tuple[str, float], ...]

    @property
    def by_itself(self) -> bool:
        """Whether the largest of the killed processes had filled the memory: it held half of what was in use."""
        return bool(self.killed) and self.killed[0][1] >= 0.5 * self.used

    def __str__(self) -> str:
        names = ", ".join(f"{name} ({size:.1f} GB)" for name, size in self.killed[:3])
        more = f" and {len(self.killed) - 3} more" if len(self.killed) > 3 else ""
        who = f"{names}{more}" if names else "processes of the study"
        return f"memory ran out on node {self.node} ({self.used:.1f} of {self.limit:.1f} GB in use): Ray killed {who}"


def out_of_memory(message: str) -> OutOfMemory | None:
    """Return what a message of Ray says about a node without memory; None if it is about something else."""
    found = _MEMORY.search(message)
    if found is None:
        return None
    killed = []
    for process in _KILLED.findall(message):
        name, size = _NAME.search(process), _SIZE.search(process)
        title = name["name"].removesuffix(".__init__") if name is not None else ""
        killed.append((title or "a process", float(size["size"]) if size else 0.0))
    killed.sort(key=lambda one: -one[1])
    return OutOfMemory(found["node"], float(found["used"]), float(found["limit"]), tuple(killed))


def why_lost(error: BaseException | str) -> str:
    """Return the cause of an error of Ray in one line, without a full stop.

    >>> why_lost("The actor died. Common causes: (1) the process was killed by the OOM killer due to high memory usage")
    'a process was killed from outside, perhaps by the kernel because memory ran out'
    >>> why_lost("Traceback (most recent call last):\\n  ...\\nValueError: no such jets.")
    'ValueError: no such jets'
    """
    message = str(error)
    memory = out_of_memory(message)
    if memory is not None:
        return str(memory)
    if _SIGKILL in message:
        return "a process was killed from outside, perhaps by the kernel because memory ran out"
    lines = [line.strip() for line in message.splitlines() if line.strip() and not line.startswith("Failure #")]
    while len(lines) > 1 and lines[0].endswith(":") and not lines[0].startswith("Traceback"):
        del lines[0]
    if not lines:
        return type(error).__name__
    if not lines[0].startswith(("Traceback", "ray::")):
        return lines[0].rstrip(".")
    named = [line for line in lines if _ERROR.match(line)]
    return (named or lines)[-1].removeprefix("ray.exceptions.").rstrip(".")
