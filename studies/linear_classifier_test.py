"""Measure how well linear classifiers find a signal in representations that were learned without any signal."""

from darkclr_ray.cli.linear_classifier_test import main
from darkclr_ray.cli.program import run_script

if __name__ == "__main__":
    run_script(main)
