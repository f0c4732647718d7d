"""Copies of weights in the layout of kernels, which are kept while the weights do not change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from torch import nn

Network = TypeVar("Network", bound=nn.Module)
Copy = TypeVar("Copy")

_COPIES: WeakKeyDictionary[nn.Module, list[Any]] = WeakKeyDictionary()


@contextmanager
def frozen_weights(network: nn.Module) -> Iterator[None]:
    """Context in which the network's weights do not change, so that its kernels copy them once."""
    _COPIES[network] = []
    try:
        yield
    finally:
        del _COPIES[network]


def copied(network: Network, copy: Callable[[Network], Copy]) -> Copy:
    """Return ``copy(network)``; within `frozen_weights` it is computed once."""
    kept = _COPIES.get(network)
    if kept is None:
        return copy(network)
    if not kept:
        kept.append(copy(network))
    result: Copy = kept[0]
    return result
