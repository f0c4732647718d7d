"""Compare DarkCLR, JetCLR and simpler detectors on the same jets."""

from darkclr_ray.cli.method_comparison import main
from darkclr_ray.cli.program import run_script

if __name__ == "__main__":
    run_script(main)
