"""How does DarkCLR's background rejection depend on embedding dimension, p_drop and Langevin step size?"""

from darkclr_ray.command_line.program import run_script
from darkclr_ray.commands.embedding_scan import main

if __name__ == "__main__":
    run_script(main)
