"""Make jets: `python studies/generate_jets.py --preset starter --out jets`. The same command goes on after a stop."""

from darkclr_ray.cli.generate import main
from darkclr_ray.cli.program import run_script

if __name__ == "__main__":
    run_script(main)
