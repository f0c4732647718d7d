"""How much of a signal is linearly there in representations that never saw one?"""

from darkclr_ray.command_line.program import run_script
from darkclr_ray.commands.linear_classifier_test import main

if __name__ == "__main__":
    run_script(main)
