"""What detectors and augmentations promise, each as one call for the tests of whoever writes one.

    from darkclr_ray.testing import check_augmentation, check_detector

    def test_my_detector():
        check_detector(lambda: MyDetector(width=8))

    def test_my_augmentation():
        check_augmentation(MyAugmentation)

A broken promise is an AssertionError that says what was expected and how to mend it. Detectors are fitted on toy jets,
twice, so give them settings so small that a fit takes a second.
"""

from darkclr_ray.testing.augmentations import check_augmentation
from darkclr_ray.testing.detectors import check_detector, holds_pickle, tied_orders
from darkclr_ray.testing.toys import toy_jets

__all__ = ["check_augmentation", "check_detector", "holds_pickle", "tied_orders", "toy_jets"]
