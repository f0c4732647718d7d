"""How does each detector fare as the dark sector changes?"""

from darkclr_ray.cli.program import run_script
from darkclr_ray.cli.robustness import main

if __name__ == "__main__":
    run_script(main)
