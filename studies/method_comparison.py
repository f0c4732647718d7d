"""How do DarkCLR, JetCLR and everything simpler compare on the same jets?"""

from darkclr_ray.command_line.program import run_script
from darkclr_ray.commands.method_comparison import main

if __name__ == "__main__":
    run_script(main)
