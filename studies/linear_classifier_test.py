"""How much of a signal is linearly there in representations that never saw one?"""

from darkclr_ray.cli.linear_classifier_test import main
from darkclr_ray.cli.program import run_script

if __name__ == "__main__":
    run_script(main)
