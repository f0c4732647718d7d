from darkclr_ray.evaluation import published
from darkclr_ray.jets.generation.samples import SIGNALS


def test_every_number_is_a_signals_and_names_its_table():
    for signals in published.REJECTION.values():
        assert set(signals) == set(SIGNALS)
        assert all("Table 3" in number.reference for number in signals.values())
    assert set(published.AACHEN_AUC) == set(published.AACHEN_REJECTION)
    assert all("Table 2" in number.reference for number in published.AACHEN_REJECTION.values())


def test_tables_disagree_on_aachen_as_they_are_printed():
    assert published.AACHEN_REJECTION["DarkCLR"].value == 59.0
    assert published.REJECTION["DarkCLR"]["aachen"].value == 58.0
