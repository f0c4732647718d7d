"""The kernels for a CPU against the same written plainly, and how they are compiled and kept."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from darkclr_ray.fs_checks import cache_folder
from darkclr_ray.kernels.available import compiler
from darkclr_ray.kernels.cpu import autoencoder as kernels
from darkclr_ray.kernels.cpu import encoder as on_cpu
from darkclr_ray.kernels.cpu.autoencoder import CompiledAutoencoder
from darkclr_ray.kernels.cpu.compiled import FLAGS, compiled
from darkclr_ray.kernels.registry import Kernels, use_kernels
from darkclr_ray.langevin import from_energy, langevin_chain
from darkclr_ray.losses.reconstruction import squared_error
from darkclr_ray.networks.autoencoder import Autoencoder
from darkclr_ray.networks.encoder import Encoder
from darkclr_ray.settings import EncoderSettings, NAESettings
from darkclr_ray.training.loop import run_training
from darkclr_ray.training.nae import NAETraining

from .by_hand import offsets_of, transformer_block


def accepts(program: str, *flags: str) -> bool:
    """Whether there is a C compiler that takes this; asked without the package's sources, whose faults are no reason to
    skip a test."""
    path = shutil.which(compiler() or "")
    command = [path or "", *flags, "-fsyntax-only", "-xc", "-"]
    return path is not None and subprocess.run(command, input=program.encode(), capture_output=True).returncode == 0


GCC = "#include <omp.h>\n#ifdef __clang__\n#error it has no __builtin_shuffle\n#endif"
pytestmark = pytest.mark.skipif(not accepts(GCC, "-fopenmp"), reason="no GCC that knows OpenMP")

HAS_BFLOAT16 = torch.cpu._is_avx512_bf16_supported() and accepts(
    "#ifndef __AVX512BF16__\n#error\n#endif", "-march=native"
)
needs_bfloat16 = pytest.mark.skipif(not HAS_BFLOAT16, reason="no products of bfloat16 here")
TYPES = [torch.float32, pytest.param(torch.bfloat16, marks=needs_bfloat16)]
SELECTIONS: tuple[Kernels, Kernels] = ("auto", "off")
LIBRARIES = [kernels.library, on_cpu.library]
INTEL = platform.machine() in ("x86_64", "AMD64")


@pytest.fixture(autouse=True)
def _compiled(caplog: pytest.LogCaptureFixture) -> None:
    """Networks go on without kernels, by torch, and their tests would pass; what the compiler said is shown."""
    compiled.cache_clear()
    with caplog.at_level("INFO", compiled.__module__):
        for library in LIBRARIES:
            assert library(torch.float32) is not None, caplog.text
            assert not HAS_BFLOAT16 or library(torch.bfloat16) is not None, caplog.text


@pytest.fixture(params=["native", "haswell"])
def vectors(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Those of this machine, and with AVX2 alone, as on most laptops."""
    if request.param == "haswell" and not INTEL:
        pytest.skip("no processor of Intel's kind")
    flags = [f"-march={request.param}" if flag.startswith("-march") else flag for flag in FLAGS]
    monkeypatch.setattr("darkclr_ray.kernels.cpu.compiled.FLAGS", flags)
    compiled.cache_clear()
    assert all(library(torch.float32) is not None for library in LIBRARIES)
    yield
    compiled.cache_clear()


@pytest.mark.parametrize("name", ["autoencoder.c", "encoder.c"])
@pytest.mark.parametrize(
    ("processor", "macros"),
    [
        ("native", []),
        ("haswell", []),
        ("sapphirerapids", []),
        ("sapphirerapids", ["-DBFLOAT16"]),
        ("sapphirerapids", ["-DBFLOAT16", "-DTILES"]),
    ],
)
def test_sources_are_c(name: str, processor: str, macros: list[str]) -> None:
    """For processors that are not here, too: what the compiler has to say about each is shown."""
    if processor != "native" and not (INTEL and accepts("", f"-march={processor}")):
        pytest.skip("a compiler that does not know this processor")
    flags = [flag for flag in FLAGS if not flag.startswith("-march")]
    command = [compiler() or "", *flags, f"-march={processor}", *macros, "-fsyntax-only", "-Wall", "-Werror"]
    done = subprocess.run([*command, Path(kernels.__file__).with_name(name)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def autoencoder_of(d_z: int, matmul_dtype: torch.dtype = torch.float32, **settings: object) -> Autoencoder:
    """With biases, slopes and weights that are all of them anything but zero."""
    autoencoder = Autoencoder(d_z, NAESettings(**settings), seed=2, matmul_dtype=matmul_dtype)  # type: ignore[arg-type]
    random = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in autoencoder.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=random)
    use_kernels(autoencoder)
    assert autoencoder.implementation == "C"
    return autoencoder


def in_float64(network: Autoencoder | Encoder) -> None:
    """Computes by torch in double precision from here on."""
    use_kernels(network, "off")
    network.matmul_dtype = torch.float32
    network.double().zero_grad()


@pytest.mark.usefixtures("vectors")
@pytest.mark.parametrize("activation", ["prelu", "relu"])
@pytest.mark.parametrize(
    ("d_z", "hidden", "bottleneck", "rows"),
    [(20, (16, 9), 3, 33), (1, (5,), 1, 1), (13, (7, 5, 3), 2, 100), (512, (128, 64), 3, 17)],
)
def test_energies_and_gradients(activation: str, d_z: int, hidden: tuple[int, ...], bottleneck: int, rows: int) -> None:
    """Of widths that fill no vector, by what autograd finds in float64."""
    autoencoder = autoencoder_of(d_z, activation=activation, hidden=hidden, bottleneck=bottleneck)
    z = torch.randn(rows, d_z)
    with torch.no_grad():
        found = autoencoder.energy(z)
    values, gradients = autoencoder.potential(z)

    in_float64(autoencoder)
    exact = z.double().requires_grad_()
    energies = d_z * squared_error(exact, autoencoder(exact))
    (by_z,) = torch.autograd.grad(energies.sum(), exact)
    torch.testing.assert_close(found.double(), energies.detach() / d_z, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(values.double(), energies.detach(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(gradients.double(), by_z, rtol=1e-5, atol=1e-5 * float(by_z.abs().max()))


@pytest.mark.parametrize("matmul_dtype", TYPES)
def test_chains_end_where_single_steps_lead(matmul_dtype: torch.dtype) -> None:
    autoencoder = autoencoder_of(140, matmul_dtype, hidden=(32, 8))
    start, ends = torch.randn(70, 140), []
    for selected in SELECTIONS:
        use_kernels(autoencoder, selected)
        chain = langevin_chain(
            autoencoder.potential,
            start,
            step_size=0.05,
            noise=0.0,
            steps=6,
            generator=torch.Generator(),
            walk=autoencoder.walk,
        )
        ends.append(chain.end)
    tolerance = {torch.float32: 1e-5, torch.bfloat16: 0.02}[matmul_dtype]
    assert (ends[0] - ends[1]).norm() < tolerance * (ends[0] - start).norm()


@pytest.mark.parametrize("matmul_dtype", TYPES)
@pytest.mark.parametrize(("chains", "d_z"), [(70, 140), (1, 13), (33, 65)])
def test_what_chains_tell_of_their_last_step(chains: int, d_z: int, matmul_dtype: torch.dtype) -> None:
    """By what torch finds in float64, between the ends of the same chains with a step less and with all."""
    autoencoder, step_size, noise = autoencoder_of(d_z, matmul_dtype, hidden=(32, 8)), 0.05, 0.2
    start = torch.randn(chains, d_z)
    ends, told = [], None
    for steps in (2, 3):
        z = start.clone()
        generator = torch.Generator().manual_seed(1)
        told = autoencoder.walk(z, step_size=step_size, noise=noise, steps=steps, generator=generator)
        ends.append(z.double())
    in_float64(autoencoder)
    potential = from_energy(lambda z: d_z * squared_error(z, autoencoder(z)))
    (before, down), (after, up) = (potential(end) for end in ends)
    moved = ends[1] - ends[0]
    noise_square = ((moved + step_size * down) / noise).square().sum(1)
    back_square = (step_size * up - moved).square().sum(1)
    tolerance = {torch.float32: 1e-4, torch.bfloat16: 0.03}[matmul_dtype]
    assert told is not None
    for ours, exact in zip(told, (before, after, noise_square, back_square), strict=True):
        torch.testing.assert_close(ours.double(), exact, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("matmul_dtype", TYPES)
def test_a_row_does_not_depend_on_the_others_nor_on_threads(matmul_dtype: torch.dtype) -> None:
    """Bit for bit; chains have their own noise by their number. What is not finite stays in its row."""
    autoencoder = autoencoder_of(40, matmul_dtype)
    z = torch.randn(200, 40)
    z[5, 3], z[60, 0] = torch.inf, torch.nan
    finite = z.isfinite().all(1)
    threads = torch.get_num_threads()

    def everything(own: Tensor) -> list[Tensor]:
        together = CompiledAutoencoder(autoencoder)
        end = own.clone()
        together.walk(end, step_size=0.1, noise=0.3, steps=3, generator=torch.Generator().manual_seed(4))
        return [*together.potential(own), together.energies(own), end]

    try:
        all_rows = everything(z)
        torch.set_num_threads(3)
        for own in (z, z[:41]):
            for some, whole in zip(everything(own), all_rows, strict=True):
                there = finite[: len(own)]
                assert torch.equal(some[there], whole[: len(own)][there])
                assert whole[finite].isfinite().all()
        assert not all_rows[0][~finite].isfinite().any()
    finally:
        torch.set_num_threads(threads)


def test_noise_of_chains() -> None:
    """Mean, variance and correlations of steps without a gradient; the same from the same seed."""
    autoencoder = Autoencoder(65, NAESettings(hidden=(16,)))

    def ends(seed: int, steps: int) -> Tensor:
        z = torch.zeros(300, 65)
        CompiledAutoencoder(autoencoder).walk(
            z, step_size=0.0, noise=0.5, steps=steps, generator=torch.Generator().manual_seed(seed)
        )
        return z

    z, error = ends(1, 4), 1 / (300 * 65) ** 0.5
    assert abs(float(z.mean())) < 5 * error
    assert float(z.var()) == pytest.approx(1.0, abs=5 * 2**0.5 * error)
    for a, b in ((z[:, :-1], z[:, 1:]), (z[:-1], z[1:]), (ends(1, 1) * 2, z - ends(1, 3))):
        assert abs(float((a * b).mean())) < 5 * error
    assert float((z**4).mean()) == pytest.approx(3.0, abs=5 * 96**0.5 * error)
    assert torch.equal(z, ends(1, 4))
    assert not torch.equal(z, ends(2, 4))


def test_without_a_compiler_everything_goes_on(tmp_path: Path) -> None:
    """A compiler that fails, a cache that cannot be made: the same energies, by torch."""
    program = (
        "import torch\n"
        "from darkclr_ray.networks.autoencoder import Autoencoder\n"
        "from darkclr_ray.kernels.registry import use_kernels\n"
        "from darkclr_ray.settings import NAESettings\n"
        "autoencoder = Autoencoder(20, NAESettings())\n"
        "use_kernels(autoencoder)\n"
        "z = torch.linspace(-1, 1, 60).view(3, 20)\n"
        "print(autoencoder.implementation, *autoencoder.potential(z)[0].tolist())"
    )
    (tmp_path / "file").touch()
    answers = []
    for change in ({}, {"CC": "/bin/false"}, {"CC": "no such compiler"}, {"XDG_CACHE_HOME": str(tmp_path / "file")}):
        run = subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, **change}, capture_output=True, text=True, check=True
        )
        implementation, *energies = run.stdout.split()
        assert implementation == ("PyTorch" if "CC" in change else "C")
        answers.append([float(energy) for energy in energies])
    for other in answers[1:]:
        assert other == pytest.approx(answers[0], rel=1e-5)


def test_a_library_is_compiled_once_and_by_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = tmp_path / "answer.c"
    for answer in (42, 43):
        source.write_text(f"int answer(void) {{ return {answer} + MORE; }}")
        compiled.cache_clear()
        first = compiled(source, "MORE=0")
        assert first is not None
        assert first.answer() == answer
        more = compiled(source, "MORE=1")
        assert more is not None
        assert more.answer() == answer + 1
    folder = tmp_path / "cache" / "darkclr_ray"
    libraries = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len(libraries) == 4
    assert folder.stat().st_mode & 0o077 == 0
    compiled.cache_clear()
    assert compiled(source, "MORE=1") is not None
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == libraries
    compiled.cache_clear()


TABLE = """
int table[100000] = {[99999] = 42};
int answer(void) { return table[99999]; }
"""
READ_TABLE = """
import sys
from pathlib import Path
from darkclr_ray.kernels.cpu.compiled import compiled
print(compiled(Path(sys.argv[1])).answer())
"""


@pytest.mark.parametrize("damage", [lambda content: content[:16384], lambda content: content.replace(b"\x2a", b"\x2b")])
def test_a_damaged_library_is_never_loaded(
    damage: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library whose end is missing killed every process that touched it, with SIGBUS."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = tmp_path / "table.c"
    source.write_text(TABLE)
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", READ_TABLE, source], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr
        (library,) = (tmp_path / "cache" / "darkclr_ray").iterdir()
        content = library.read_bytes()
        assert damage(content) != content
        library.write_bytes(damage(content))


def test_a_damaged_library_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = tmp_path / "answer.c"
    source.write_text("int answer(void) { return 42; }")
    folder = tmp_path / "cache" / "darkclr_ray"
    assert compiled(source) is not None
    (library,) = folder.iterdir()
    for _ in range(2):  # what is loaded stays mapped under its name: a copy is damaged
        compiled.cache_clear()
        (folder / "copy").write_bytes(library.read_bytes()[:100])
        (folder / "copy").replace(library)
        again = compiled(source)
        assert again is not None
        assert again.answer() == 42
        compiled.cache_clear()
        assert compiled(source) is not None  # and kept once more
    compiled.cache_clear()


def blocks_of(d: int, hidden: int, heads: int, layers: int, matmul_dtype: torch.dtype = torch.float32) -> Encoder:
    """With biases and layer norms that do something."""
    encoder = Encoder(
        EncoderSettings(d_r=d, d_h=hidden, heads=heads, layers=layers, d_z=8), seed=1, matmul_dtype=matmul_dtype
    )
    random = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=random)
    use_kernels(encoder)
    assert encoder.implementation == "C"
    return encoder


def gradients_of(encoder: Encoder) -> list[Tensor | None]:
    """Of all that comes before the head."""
    return [p.grad for module in (encoder.embedding, *encoder.blocks) for p in module.parameters()]


@pytest.mark.usefixtures("vectors")
@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize(
    ("d", "hidden", "heads", "layers", "sizes"),
    [
        (32, 32, 4, 1, [1]),
        (32, 64, 1, 2, [31, 1, 1, 32, 33, 15, 17]),
        (96, 32, 3, 3, [300, 2, 64]),
        (128, 160, 4, 2, [7] * 30 + [50]),
        (64, 64, 2, 1, [9, 70]),
        (256, 32, 8, 2, [40]),
    ],
)
def test_sums_and_gradients(d: int, hidden: int, heads: int, layers: int, sizes: list[int], dropout: bool) -> None:
    """Jets across tiles, of one row and of hundreds; by what autograd finds in float64, with the same masks."""
    encoder, offsets = blocks_of(d, hidden, heads, layers), offsets_of(sizes)
    constituents, weights = torch.randn(sum(sizes), 3), torch.randn(len(sizes), d)
    tile = on_cpu.library(torch.float32).tile_rows()  # type: ignore[union-attr]
    tiles = -(-len(constituents) // tile)
    shift, scale, pool = 64 * 7, 1.0, None
    if dropout:
        values = tiles * tile * max(d, hidden) + 3 * layers * shift
        scale, pool = 1.25, -(torch.rand(values) > 0.2).to(torch.int8)
    result = on_cpu.sums(encoder, constituents, offsets, (scale, pool, shift))
    (result * weights).sum().backward()
    found = [result.detach(), *gradients_of(encoder)]
    with torch.no_grad():
        assert torch.equal(on_cpu.sums(encoder, constituents, offsets, (scale, pool, shift)), result)

    def dropped(x: Tensor, use: int) -> Tensor:
        if pool is None:
            return x
        width = x.shape[1]
        part = pool[use * shift :][: tiles * width * tile].view(tiles, width, tile)
        return x * scale * (part.transpose(1, 2).reshape(-1, width)[: len(x)] != 0)

    in_float64(encoder)
    x = encoder.embedding(constituents.double())
    for place, block in enumerate(encoder.blocks):
        x = transformer_block(block, x, offsets, lambda values, use, first=3 * place: dropped(values, first + use))
    sums = torch.stack([jet.sum(0) for jet in x.split(sizes)])
    (sums * weights).sum().backward()
    expected = [sums.detach(), *gradients_of(encoder)]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours is not None
        assert theirs is not None
        torch.testing.assert_close(ours.double(), theirs, rtol=1e-4, atol=1e-5 * max(1.0, float(theirs.abs().max())))


@needs_bfloat16
def test_constituents_are_not_rounded() -> None:
    """Though products are of bfloat16: where blocks add nothing, sums are those of float32."""
    encoder, offsets = blocks_of(64, 32, 2, 1), offsets_of([40, 1, 60])
    with torch.no_grad():
        for layer in (encoder.blocks[0].attention_out, encoder.blocks[0].feed_out):
            layer.weight.zero_()
        constituents = torch.randn(101, 3) + torch.tensor([3.0, 0.0, 0.0])
        expected = on_cpu.sums(encoder, constituents, offsets)
        encoder.matmul_dtype = torch.bfloat16
        found = on_cpu.sums(encoder, constituents, offsets)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


def test_constituents_may_ask_for_gradients() -> None:
    """Which is against what the kernels are made for: by torch, the same as by differences."""
    encoder, offsets = blocks_of(32, 32, 2, 1), offsets_of([3, 4])
    constituents, step = torch.randn(7, 3, requires_grad=True), 1e-2
    (gradient,) = torch.autograd.grad(encoder(constituents, offsets).pooled.sum(), constituents)
    with torch.no_grad():
        ahead, behind = (encoder(constituents + sign * step * gradient, offsets).pooled.sum() for sign in (1, -1))
    assert float(ahead - behind) == pytest.approx(2 * step * float(gradient.square().sum()), rel=0.02)


@pytest.fixture
def by_unit(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bool], None]]:
    """Says whether kernels multiply by a matrix unit, emulated, or in vectors."""
    emulated = Path(__file__).with_name("matrix_unit.h")
    content = hashlib.blake2b(emulated.read_bytes()).hexdigest()  # libraries are kept by their flags
    flags = (*FLAGS, "-include", str(emulated), f"-DEMULATION={content}")
    monkeypatch.setattr("darkclr_ray.kernels.cpu.compiled.FLAGS", flags)

    def choose(unit: bool) -> None:
        monkeypatch.setattr("torch.cpu._is_amx_tile_supported", lambda: unit)
        compiled.cache_clear()
        assert hasattr(kernels.library(torch.bfloat16), "may_multiply") == unit

    yield choose
    compiled.cache_clear()


def close(ours: Sequence[Tensor | None], expected: Sequence[Tensor | None]) -> bool:
    """To one in a hundred: where a sum is rounded to bfloat16 the other way, what follows differs by more than sums."""
    return all((a - b).norm() < 1e-2 * max(float(b.norm()), 1e-2) for a, b in zip(ours, expected, strict=True))  # type: ignore[operator, union-attr]


@needs_bfloat16
@pytest.mark.parametrize(
    ("d", "hidden", "heads", "sizes"),
    [(32, 32, 4, [1]), (32, 64, 1, [31, 1, 1, 32, 33, 15]), (128, 160, 4, [7] * 30 + [50])],
)
def test_an_encoder_by_a_matrix_unit(
    d: int, hidden: int, heads: int, sizes: list[int], by_unit: Callable[[bool], None]
) -> None:
    """Emulated, so that everywhere it is known what one would be asked: the same products, summed in another order."""
    encoder, offsets = blocks_of(d, hidden, heads, 1, torch.bfloat16), offsets_of(sizes)
    constituents, weights = torch.randn(sum(sizes), 3), torch.randn(len(sizes), d)

    def found(unit: bool) -> list[Tensor | None]:
        by_unit(unit)
        encoder.zero_grad()
        result = on_cpu.sums(encoder, constituents, offsets)
        (result * weights).sum().backward()
        return [result.detach(), *gradients_of(encoder)]

    assert close(found(True), found(False))


@needs_bfloat16
@pytest.mark.parametrize(
    ("d_z", "hidden", "rows"), [(20, (16, 9), 33), (1, (5,), 1), (512, (128, 64, 32, 16, 8), 100), (140, (32, 8), 17)]
)
def test_an_autoencoder_by_a_matrix_unit(
    d_z: int, hidden: tuple[int, ...], rows: int, by_unit: Callable[[bool], None]
) -> None:
    autoencoder, z = autoencoder_of(d_z, torch.bfloat16, hidden=hidden), torch.randn(rows, d_z)

    def found(unit: bool) -> list[Tensor | None]:
        by_unit(unit)
        own, end = CompiledAutoencoder(autoencoder), z.clone()
        own.walk(end, step_size=0.05, noise=0.1, steps=3, generator=torch.Generator().manual_seed(4))
        return [own.energies(z), end, *own.potential(z)]

    assert close(found(True), found(False))


@pytest.mark.parametrize("matmul_dtype", TYPES)
def test_a_jet_does_not_depend_on_the_others_nor_on_threads(matmul_dtype: torch.dtype) -> None:
    """Bit for bit, wherever it lies; what is not finite stays in its jet. Gradients come out the same every time."""
    encoder = blocks_of(32, 64, 2, 2, matmul_dtype)
    sizes = [5, 41, 1, 33, 16, 90]
    offsets = offsets_of(sizes)
    constituents = torch.randn(sum(sizes), 3)
    constituents[int(offsets[2])] = torch.nan
    threads = torch.get_num_threads()
    together = on_cpu.sums(encoder, constituents, offsets)
    gradients = []
    try:
        for some in (1, 3, 3):
            torch.set_num_threads(some)
            for own, expected, jet in zip(constituents.split(sizes), together, range(6), strict=True):
                (alone,) = on_cpu.sums(encoder, own, torch.tensor([0, len(own)]))
                assert torch.equal(alone, expected) == (jet != 2)
                assert bool(alone.isfinite().all()) == (jet != 2)
            encoder.zero_grad()
            others = torch.randn(300, 3, generator=torch.Generator().manual_seed(1))
            on_cpu.sums(encoder, others, offsets_of([60] * 5)).square().sum().backward()
            gradients.append(torch.cat([gradient.flatten() for gradient in gradients_of(encoder)]))  # type: ignore[union-attr]
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(gradients[1], gradients[2])
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-3, atol=1e-3 * float(gradients[0].abs().max()))


def test_what_is_kept_is_one_forward_passs_own() -> None:
    """Two passes before the first is followed back; none can be followed twice."""
    encoder, offsets = blocks_of(32, 32, 2, 2), offsets_of([10, 20])
    inputs = torch.randn(2, 30, 3)
    parameters = [p for module in (encoder.embedding, *encoder.blocks) for p in module.parameters()]
    alone = [torch.autograd.grad(on_cpu.sums(encoder, own, offsets).square().sum(), parameters) for own in inputs]
    results = [on_cpu.sums(encoder, own, offsets).square().sum() for own in inputs]
    for result, expected in zip(results, alone, strict=True):
        found = torch.autograd.grad(result, parameters, retain_graph=True)
        assert all(map(torch.equal, found, expected))
    with pytest.raises(RuntimeError, match="can be followed back once"):
        results[0].backward()


@pytest.mark.parametrize(
    "constituents",
    [torch.zeros(10, 4), torch.zeros(10), torch.zeros(10, 3).double(), torch.zeros(10, 3, device="meta")],
)
def test_constituents_that_are_none_are_refused(constituents: Tensor) -> None:
    """Before their memory is read as what they are not."""
    with pytest.raises(ValueError, match=r"expected \(any number, 3\), torch.float32 on cpu"):
        blocks_of(32, 32, 2, 1)(constituents, torch.tensor([0, 10]))


@pytest.mark.parametrize("offsets", [[0, 4, 9], [0, 8, 4, 10], [1, 10], [0, 11]])
def test_offsets_that_are_none_are_refused(offsets: list[int]) -> None:
    encoder = blocks_of(32, 32, 2, 1)
    with pytest.raises(ValueError, match="rise from 0 to 10"):
        encoder(torch.zeros(10, 3), torch.tensor(offsets))


@torch.no_grad()
def test_inputs_of_another_kind() -> None:
    """Another type, other strides, another width."""
    autoencoder, z = autoencoder_of(20), torch.randn(20, 6)
    expected = autoencoder.energy(z.t().contiguous())
    assert torch.equal(autoencoder.energy(z.t()), expected)
    assert torch.equal(autoencoder.energy(z.t().double()), expected)
    with pytest.raises(ValueError, match=r"shape \(20, 6\); expected \(any number, 20\)"):
        autoencoder.energy(z)
    encoder, offsets = blocks_of(32, 32, 2, 1), offsets_of([3, 4])
    rows = torch.randn(7, 3)
    assert torch.equal(encoder(rows, offsets.int()).head, encoder(rows, offsets).head)


@pytest.mark.parametrize("matmul_dtype", TYPES)
def test_a_training_takes_the_same_course(matmul_dtype: torch.dtype) -> None:
    """Both phases of an autoencoder's training, against float32 by torch."""
    random = np.random.default_rng(1)
    z = (random.normal(size=(2000, 4)) @ random.normal(size=(4, 40))).astype(np.float32)
    settings = NAESettings(batch_size=200, reconstruction_epochs=6, divergence_epochs=3)

    def course(precision: str, kernels: Kernels) -> list[float]:
        training = NAETraining(z, settings, seed=1, source={})
        training.to(torch.device("cpu"), precision, kernels=kernels)
        run_training(training)
        return [record["energy_data"] for record in training.history]

    found = course(str(matmul_dtype).removeprefix("torch."), "auto")
    assert found == pytest.approx(course("float32", "off"), rel=1e-4 if matmul_dtype == torch.float32 else 1e-2)


def test_a_cache_that_is_not_ones_own_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that others may write to, and that of a user without a home."""
    own = tmp_path / "cache" / "darkclr_ray"
    monkeypatch.setenv("XDG_CACHE_HOME", str(own.parent))
    assert cache_folder(tmp_path) == own
    own.chmod(0o777)
    assert cache_folder(tmp_path) == tmp_path
    monkeypatch.setenv("XDG_CACHE_HOME", "~nobody-of-this-name/.cache")
    assert cache_folder(tmp_path) == tmp_path
