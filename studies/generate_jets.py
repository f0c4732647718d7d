"""Generate jets: `python studies/generate_jets.py --preset starter --out jets`.

After an interruption the same command continues.
"""

from darkclr_ray.cli.generate import main
from darkclr_ray.cli.program import run_script

if __name__ == "__main__":
    run_script(main)
