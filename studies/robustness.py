"""Measure how the performance of each detector changes with the parameters of the dark sector."""

from darkclr_ray.cli.program import run_script
from darkclr_ray.cli.robustness import main

if __name__ == "__main__":
    run_script(main)
