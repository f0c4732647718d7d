"""Run a search and a random search of the same budget, and compare them on a page."""

from darkclr_ray.cli.program import run_script
from darkclr_ray.cli.search_control import main

if __name__ == "__main__":
    run_script(main)
