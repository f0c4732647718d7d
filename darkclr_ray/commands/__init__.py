"""The commands of ``darkclr``, one file each; the scripts in ``studies/`` call the same ones.

Each file has ``main(arguments, program) -> int``: the words after the command, the name that help and messages use, and
the exit status. What cannot be is refused before torch or Ray is imported, by one message and exit status 2.
"""
