"""The ``darkclr`` command: one module per subcommand, option parsing and error messages.

The scripts in ``studies/`` call the same modules. Each has ``main(arguments, program) -> int``: the words after the
command, the name for help and messages, and the exit status. Errors that the user can correct are reported before torch
or Ray is imported, by one message and exit status 2.
"""
