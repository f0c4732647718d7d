"""Description of a faster implementation of a network's methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Implementation:
    """Faster implementation of some methods of a network, on one kind of device.

    Attributes:
        network: class of the network, which has the reference of every method.
        methods: function by the name of the method that it replaces; it takes the network and the method's arguments.
        name: function that returns the implementation's name for records, or None if it does not support the network.
    """

    network: type[Any]
    methods: Mapping[str, Callable[..., Any]]
    name: Callable[[Any], str | None]
