"""Fit detectors on background jets, without a search, and save a model: `python studies/train_model.py --out mine`.

`python studies/train_model.py --threads 1 --out darkclr_ray/pretrained` makes the model that ships with the package.
"""

from darkclr_ray.cli.program import run_script
from darkclr_ray.cli.train import main

if __name__ == "__main__":
    run_script(main)
