"""Checks that test a detector or an augmentation against its interface, each in one call.

    from darkclr_ray.testing import check_augmentation, check_detector

    def test_my_detector():
        check_detector(lambda: MyDetector(width=8))

    def test_my_augmentation():
        check_augmentation(MyAugmentation)

A violation raises AssertionError; its message states what was expected and how to correct it. Detectors are fitted
twice on toy jets, so give them small settings with which a fit takes about a second.
"""

from darkclr_ray.testing.augmentations import check_augmentation
from darkclr_ray.testing.detectors import check_detector, holds_pickle, tied_orders
from darkclr_ray.testing.toys import toy_jets

__all__ = ["check_augmentation", "check_detector", "holds_pickle", "tied_orders", "toy_jets"]
