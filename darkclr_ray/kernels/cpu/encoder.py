"""Encoder on a CPU: the kernels in encoder.c compute the sum over constituents, oneDNN or MKL the head."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from darkclr_ray.kernels.cpu.compiled import compiled_for
from darkclr_ray.kernels.cpu.first_layer import first_layer
from darkclr_ray.kernels.cpu.matmul import linear
from darkclr_ray.kernels.dropout import Dropout
from darkclr_ray.kernels.frozen import copied
from darkclr_ray.kernels.layers import head
from darkclr_ray.networks.encoder import Encoder, EncoderOutput

SLACK = 64
"""Minimum number of bytes behind the last tile that the kernels may read without using them."""
SPARE = 2
"""Number of forward passes whose memory is kept for reuse."""


class _Job(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int) for name in ("layers", "d", "hidden", "heads", "narrow")),
        *((name, ctypes.c_long) for name in ("rows", "jets", "longest")),
        *((name, ctypes.c_void_p) for name in ("offsets", "forward", "backward", "vectors")),
        ("scale", ctypes.c_float),
        ("eps", ctypes.c_float),
        ("masks", ctypes.c_void_p),
        ("shift", ctypes.c_long),
        ("given", ctypes.c_void_p),
        ("result", ctypes.c_void_p),
        ("kept", ctypes.c_int),
        *((name, ctypes.c_void_p) for name in ("x", "projected", "mixed", "totals", "fed")),
        *((name, ctypes.c_void_p) for name in ("of_result", "of_mixed", "of_projected")),
        ("of_weights", ctypes.c_void_p),
        ("of_vectors", ctypes.c_void_p),
    )


def library(matmul_dtype: torch.dtype) -> ctypes.CDLL | None:
    """Return the compiled kernels for products of a dtype, or None if they are not available."""
    return compiled_for(Path(__file__).with_name("encoder.c"), matmul_dtype)


def supported(encoder: Encoder) -> ctypes.CDLL | None:
    """Return the kernels for an encoder, or None if they are not available or do not support it.

    They support float32 weights, widths that are multiples of 32, and heads whose width is a multiple of 8.
    """
    settings = encoder.settings
    fits = settings.d_r % 32 == 0 and settings.d_h % 32 == 0 and settings.d_r // settings.heads % 8 == 0
    return library(encoder.matmul_dtype) if fits and encoder.embedding.weight.dtype == torch.float32 else None


def encode(
    encoder: Encoder,
    constituents: Tensor,
    offsets: Tensor,
    *,
    dropout: torch.Generator | None = None,
    longest: int | None = None,
) -> EncoderOutput:
    """Compute `Encoder.forward` on jets of any lengths without padding.

    Constituents that need a gradient are left to `Encoder.forward`. With bfloat16 the embedding has a relative
    precision of 2^-16, see `first_layer`.
    """
    if constituents.requires_grad:
        return Encoder.forward(encoder, constituents, offsets, dropout=dropout)
    kernels = library(encoder.matmul_dtype)
    assert kernels is not None
    settings, tile = encoder.settings, int(kernels.tile_rows())
    width = max(settings.d_r, settings.d_h)
    masks = Dropout(
        settings.dropout,
        dropout,
        values=-(-len(constituents) // tile) * tile * width,
        stride=(int(offsets.diff().max()) + 2 * tile) * width,  # a jet has rows in the tiles it fills and in one more
        uses=3 * len(encoder.blocks),
    )
    pooled = sums(encoder, constituents, offsets, (masks.scale, masks.pool, masks.stride))
    return EncoderOutput(pooled, head(encoder, pooled, linear))


def sums(
    encoder: Encoder, constituents: Tensor, offsets: Tensor, masks: tuple[float, Tensor | None, int] = (1.0, None, 0)
) -> Tensor:
    """Apply the embedding and all blocks, and return the sum over each jet's constituents, float32 (B, d_r).

    Args:
        encoder: encoder that is `supported`.
        constituents: float32 (M, 3), those of all jets concatenated.
        offsets: int64 (B + 1,), jet i owns rows offsets[i] to offsets[i + 1].
        masks: the factor of the remaining values, a mask of -1 and 0 (or None) for the values of all tiles of
            ``tile_rows``, ordered (tile, feature, row), and the stride: the mask of dropout i begins at i times it.

    Raises:
        ValueError: constituents or offsets have the wrong shape, dtype or values.
    """
    if constituents.shape[1:] != (3,) or constituents.dtype != torch.float32 or constituents.device.type != "cpu":
        raise ValueError(
            f"constituents of shape {tuple(constituents.shape)}, {constituents.dtype} on {constituents.device}; "
            f"expected (any number, 3), torch.float32 on cpu, where the encoder is"
        )
    offsets = offsets.to("cpu", torch.int64).contiguous()
    sizes = offsets.diff()
    if int(offsets[0]) or int(offsets[-1]) != len(constituents) or int(sizes.min()) < 1:
        raise ValueError(
            f"offsets of jets have to rise from 0 to {len(constituents)}, the number of constituents, by 1 or more"
        )
    kernels, first = library(encoder.matmul_dtype), encoder.blocks[0]
    assert kernels is not None
    given = Given(
        kernels, int(kernels.tile_rows()), offsets, int(sizes.max()), encoder.matmul_dtype, masks, len(encoder.blocks),
        first.heads, first.feed_norm.eps,
    )  # fmt: skip
    if torch.is_grad_enabled():
        matrices, vectors = parameters(encoder)
        result: Tensor = _Pooled.apply(given, constituents, *matrices, *vectors)  # type: ignore[no-untyped-call]
        return result
    passed = forward(given, constituents, copied(encoder, Weights.of_encoder), kept=False)
    passed.memory.give_back()
    return passed.result


def parameters(encoder: Encoder) -> tuple[list[Tensor], list[Tensor]]:
    """Return matrices and vectors of all layers in the order of the kernels."""
    matrices: list[Tensor] = []
    vectors: list[Tensor] = []
    for block in encoder.blocks:
        layers = (block.attention_in, block.attention_out, block.feed_in, block.feed_out)
        matrices += [layer.weight for layer in layers]
        vectors += [layer.bias for layer in layers]
        vectors += [p for norm in (block.attention_norm, block.feed_norm) for p in (norm.weight, norm.bias)]
    # the first layer's projection has no bias, since one of its inputs is 1
    return [*first_layer(encoder.embedding, encoder.blocks[0], encoder.matmul_dtype), *matrices[2:]], vectors[1:]


class Weights(NamedTuple):
    """Parameters in the layout of the kernels, and the sizes derived from them."""

    matrices: Tensor
    vectors: Tensor
    d: int
    hidden: int
    narrow: int

    @staticmethod
    def of(matrices: Sequence[Tensor], vectors: Sequence[Tensor], matmul_dtype: torch.dtype) -> Weights:
        (d, narrow), (hidden, _) = matrices[1].shape, matrices[2].shape
        flat = torch.cat([matrix.flatten() for matrix in matrices]).to(matmul_dtype)
        return Weights(flat, torch.cat(list(vectors)), d, hidden, narrow)

    @staticmethod
    @torch.no_grad()
    def of_encoder(encoder: Encoder) -> Weights:
        """Return the parameters for any number of passes without gradients, during which they must not change."""
        return Weights.of(*parameters(encoder), encoder.matmul_dtype)


class _Memory:
    """Memory for the saved values of a forward pass, reused from step to step.

    Allocating new pages for all of it would take a tenth of a step.
    """

    spare: ClassVar[list[Tensor]] = []
    lock: ClassVar[Lock] = Lock()

    def __init__(self, sizes: dict[str, int], matmul_dtype: torch.dtype) -> None:
        types = {name: torch.float32 if name == "totals" else matmul_dtype for name in sizes}
        lengths = {name: -(-size * types[name].itemsize // 64) * 64 for name, size in sizes.items()}
        needed = sum(lengths.values()) + SLACK
        with self.lock:
            found = [place for place, spare in enumerate(self.spare) if needed <= len(spare) <= 2 * needed]
            self.bytes = self.spare.pop(found[0]) if found else torch.empty(needed, dtype=torch.uint8)
        parts = torch.split(self.bytes[: needed - SLACK], list(lengths.values()))
        self.parts = {name: part.view(types[name]) for name, part in zip(sizes, parts, strict=True)}

    def give_back(self) -> None:
        self.parts = {}
        with self.lock:
            self.spare[:] = [*self.spare, self.bytes][-SPARE:]


class Given(NamedTuple):
    """Arguments that all layers share; see `sums`."""

    kernels: ctypes.CDLL
    tile: int
    offsets: Tensor
    longest: int
    matmul_dtype: torch.dtype
    masks: tuple[float, Tensor | None, int]
    layers: int
    heads: int
    eps: float


class Passed(NamedTuple):
    """Result of a forward pass, and the values saved for the backward pass."""

    result: Tensor
    tensors: dict[str, Tensor]
    memory: _Memory
    numbers: dict[str, Any]
    slots: int


def forward(given: Given, constituents: Tensor, weights: Weights, *, kept: bool) -> Passed:
    """Compute all layers; with ``kept``, save the values for the backward pass."""
    constituents, d, hidden = constituents.contiguous(), weights.d, weights.hidden
    slots = -(-len(constituents) // given.tile) * given.tile
    scale, mask, shift = given.masks
    layers = given.layers if kept else 1
    sizes = {"projected": layers * slots * 3 * d, "mixed": layers * slots * d}
    if kept:
        sizes |= {"totals": 2 * layers * slots * d, "fed": layers * slots * hidden}
    memory, jets = _Memory(sizes, given.matmul_dtype), len(given.offsets) - 1
    result = torch.empty(jets, d)
    tensors = {
        "offsets": given.offsets,
        "forward": weights.matrices,
        "vectors": weights.vectors,
        **({} if mask is None else {"masks": mask}),
    }
    numbers = {
        "layers": given.layers, "d": d, "hidden": hidden, "heads": given.heads, "narrow": weights.narrow,
        "rows": len(constituents), "jets": jets, "longest": given.longest, "scale": scale, "shift": shift,
        "eps": given.eps, "kept": layers,
    }  # fmt: skip
    passing = {"given": constituents, "result": result, "x": torch.empty(slots * d)}
    run(given.kernels, given.kernels.forward, {**tensors, **memory.parts, **passing}, numbers)
    return Passed(result, tensors, memory, numbers, slots)


class _Pooled(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, given: Given, constituents: Tensor, *own: Tensor) -> Tensor:
        count = 4 * given.layers
        weights = Weights.of(own[:count], own[count:], given.matmul_dtype)
        passed = forward(given, constituents, weights, kept=True)
        passed.tensors["given"] = constituents.contiguous()
        ctx.save_for_backward(*passed.tensors.values(), *own[:count])
        ctx.given, ctx.names = given, list(passed.tensors)
        ctx.memory, ctx.numbers, ctx.slots = passed.memory, passed.numbers, passed.slots
        return passed.result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        given = ctx.given
        if not ctx.memory.parts:
            raise RuntimeError("a step of an encoder can be followed back once")
        tensors = dict(zip(ctx.names, ctx.saved_tensors, strict=False))
        matrices = ctx.saved_tensors[len(ctx.names) :]
        d, hidden, threads = ctx.numbers["d"], ctx.numbers["hidden"], torch.get_num_threads()
        of_weights = torch.zeros(threads, len(tensors["forward"]))
        of_vectors = torch.zeros(threads, len(tensors["vectors"]))
        passing = {
            "backward": torch.cat([matrix.t().flatten() for matrix in matrices]).to(given.matmul_dtype),
            "x": torch.empty(ctx.slots * d),
            "of_result": gradient.contiguous(),
            "of_mixed": torch.empty(ctx.slots * d + SLACK, dtype=given.matmul_dtype),
            "of_projected": torch.empty(ctx.slots * 3 * d, dtype=given.matmul_dtype),
            "of_weights": of_weights,
            "of_vectors": of_vectors,
        }
        run(given.kernels, given.kernels.backward, {**tensors, **ctx.memory.parts, **passing}, ctx.numbers)
        ctx.memory.give_back()
        by_matrix = torch.split(of_weights.sum(0), [matrix.numel() for matrix in matrices])
        of_matrices = [part.view(matrix.shape) for part, matrix in zip(by_matrix, matrices, strict=True)]
        lengths = ([3 * d, d, hidden, d, d, d, d, d] * given.layers)[1:]
        return None, None, *of_matrices, *torch.split(of_vectors.sum(0), lengths)


def run(kernels: ctypes.CDLL, what: Any, tensors: dict[str, Tensor], numbers: dict[str, Any]) -> None:
    job = _Job(**{name: tensor.data_ptr() for name, tensor in tensors.items()}, **numbers)
    kernels.memory_of.restype = ctypes.c_long
    threads = torch.get_num_threads()
    memory = torch.empty(threads * kernels.memory_of(ctypes.byref(job)))
    what(ctypes.byref(job), ctypes.c_void_p(memory.data_ptr()), threads)
