"""Make jets: `python studies/generate_jets.py --preset starter --out jets`. The same command goes on after a stop."""

from darkclr_ray.command_line.program import run_script
from darkclr_ray.commands.generate import main

if __name__ == "__main__":
    run_script(main)
