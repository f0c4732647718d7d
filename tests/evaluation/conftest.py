import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm


class Toy:
    """Jets whose rejections are known: Gaussian scores that rise with pT, events of one or two correlated jets."""

    pt = np.array([155.0, 175.0, 205.0, 265.0])
    slope = np.array([0.0, 0.2, 0.4, 0.6])
    background = np.array([0.55, 0.25, 0.14, 0.06])
    signal = np.array([0.3, 0.25, 0.25, 0.2])
    shift = 0.7
    correlation = 0.7

    def jets(self, seed, background=3000, signal=800):
        """Arguments of `evaluate` for so many background and signal events."""
        generator = np.random.default_rng(seed)
        b = self._events(generator, background, self.background, 0.0)
        s = self._events(generator, signal, self.signal, self.shift)
        return [array for pair in zip(b, s, strict=True) for array in pair]

    def pair(self, seed, background=2000, signal=500, noise=(0.3, 0.8)):
        """Arguments of `paired_ratio`: the toy's score with two noises of these widths."""
        normal = np.random.default_rng([seed, 1]).normal
        b, s, *rest = self.jets(seed, background, signal)
        return [scores + width * normal(size=len(scores)) for width in noise for scores in (b, s)] + rest

    def background_efficiency(self, eps_s, *, matched, noise=0.0):
        """The true eps_B of the score with Gaussian noise of this width."""
        width = np.hypot(1.0, noise)
        cut = brentq(lambda cut: self.signal @ norm.sf((cut - self.shift - self.slope) / width) - eps_s, -10.0, 10.0)
        return (self.signal if matched else self.background) @ norm.sf((cut - self.slope) / width)

    def area(self):
        """The true area under the raw ROC curve."""
        lead = (self.shift + self.slope - self.slope[:, None]) / np.sqrt(2.0)
        return self.background @ norm.cdf(lead) @ self.signal

    def _events(self, generator, events, spectrum, shift):
        place = generator.choice(4, size=(events, 2), p=spectrum)
        place[:, 1] = np.where(generator.random(events) < 0.5, place[:, 0], place[:, 1])
        common, own = generator.normal(size=(events, 1)), generator.normal(size=(events, 2))
        mixed = np.sqrt(self.correlation) * common + np.sqrt(1.0 - self.correlation) * own
        kept = np.stack([np.ones(events, bool), generator.random(events) < 0.5], axis=1)
        event = np.repeat(np.arange(events)[:, None], 2, axis=1)
        return (mixed + shift + self.slope[place])[kept], self.pt[place][kept], event[kept]


@pytest.fixture(scope="session")
def toy():
    return Toy()
