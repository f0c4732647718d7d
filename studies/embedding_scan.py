"""Measure how DarkCLR's background rejection depends on embedding dimension, p_drop and Langevin step size."""

from darkclr_ray.cli.embedding_scan import main
from darkclr_ray.cli.program import run_script

if __name__ == "__main__":
    run_script(main)
