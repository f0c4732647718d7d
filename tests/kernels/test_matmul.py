"""Products by oneDNN against double precision."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from darkclr_ray.kernels.cpu import matmul as products


@pytest.fixture(params=[True, False])
def _either_library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param and not (torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")):
        pytest.skip("no oneDNN")
    monkeypatch.setattr(products, "_mkl_is_slow", lambda: request.param)


def relative(found: Tensor, expected: Tensor) -> float:
    return float((found.detach().double() - expected.detach()).norm() / expected.detach().norm())


@pytest.mark.usefixtures("_either_library")
@pytest.mark.parametrize("rows", [3, 2000])
def test_products_and_gradients(rows: int) -> None:
    x, weight, bias, gradient = (torch.randn(*size) for size in ((rows, 96), (40, 96), (40,), (rows, 40)))
    exact = [tensor.double().requires_grad_() for tensor in (x, weight, bias)]
    for tensor in (x, weight, bias):
        tensor.requires_grad_()
    found, expected = products.linear(x, weight, bias), exact[0] @ exact[1].t() + exact[2]
    assert relative(found, expected) < 1e-6
    found.backward(gradient)
    expected.backward(gradient.double())
    for ours, theirs in zip((x, weight, bias), exact, strict=True):
        assert ours.grad is not None
        assert theirs.grad is not None
        assert relative(ours.grad, theirs.grad) < 1e-6
    with torch.no_grad():
        assert relative(products.multiply(gradient, weight), gradient.double() @ exact[1]) < 1e-6
        assert relative(products.multiply_rows(gradient, x), gradient.double().t() @ exact[0]) < 1e-6


def test_only_large_products_of_float32_go_to_onednn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "_mkl_is_slow", lambda: True)
    rows = torch.zeros(10**6, 1)
    assert products.by_onednn(rows, 10**6)
    assert not products.by_onednn(rows.bfloat16(), 10**6)
    assert not products.by_onednn(rows.double(), 10**6)
    assert not products.by_onednn(torch.zeros(2, 2), 4)
    monkeypatch.setattr(products, "_mkl_is_slow", lambda: False)
    assert not products.by_onednn(rows, 10**6)
