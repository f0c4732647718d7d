import numpy as np
import pytest

from darkclr_ray.evaluation.aggregate import robustness_table
from darkclr_ray.evaluation.rejection import evaluate


def test_one_network_has_an_interval_and_no_spread(toy):
    result = evaluate(*toy.jets(1), seed=1, replicas=20)
    raw, matched = robustness_table({"a": {"x": result}})
    assert (raw.matched, matched.matched) == (False, True)
    for entry, side in ((raw, result.raw), (matched, result.matched)):
        cut = side.at(0.2)
        assert (entry.rejection, entry.low, entry.high, entry.auc) == (cut.value, cut.low, cut.high, side.auc)
        assert (entry.deviation, entry.auc_deviation, entry.networks) == (None, None, 1)


def test_networks_share_the_test_sample(toy):
    a, a_signal, b, b_signal, *rest = toy.pair(1)
    networks = [evaluate(a, a_signal, *rest, seed=1, replicas=20), evaluate(b, b_signal, *rest, seed=1, replicas=20)]
    entry = robustness_table({"a": {"x": networks}}, eps_s=0.1)[1]
    values = [network.matched.at(0.1).value for network in networks]
    assert entry.rejection == pytest.approx(np.mean(values))
    assert entry.deviation == pytest.approx(abs(values[0] - values[1]) / np.sqrt(2))
    for end in ("low", "bootstrap_low", "bootstrap_high"):
        assert getattr(entry, end) == pytest.approx(np.mean([getattr(n.matched.at(0.1), end) for n in networks]))


def test_a_bound_and_an_open_end_stay_what_they_are():
    scores, pt, events = np.arange(50.0), np.full(50, 200.0), np.arange(50)
    bound = evaluate(scores, scores + 100, pt, pt, events, events, seed=1, replicas=20)
    number = evaluate(scores, scores, pt, pt, events, events, seed=1, replicas=20)
    entry = robustness_table({"a": {"x": [bound, number]}})[0]
    assert entry.lower_bound
    assert entry.high is None


def test_no_network_is_refused():
    with pytest.raises(ValueError, match="'a' on 'x'"):
        robustness_table({"a": {"x": []}})
