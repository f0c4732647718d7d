from __future__ import annotations

import torch

from darkclr_ray.networks.classifier import Classifier


def test_learns_a_linear_rule() -> None:
    pooled = torch.randn(400, 8)
    signal = (pooled[:, 0] > 0).float()
    classifier = Classifier(8, seed=1)
    optimiser = torch.optim.Adam(classifier.parameters(), lr=0.02)
    for _ in range(60):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(classifier(pooled), signal)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert ((classifier(pooled) > 0) == signal.bool()).float().mean() > 0.95
    assert classifier(pooled[:1]).shape == (1,)
