"""The ``darkclr`` command: one module per subcommand, option parsing and error messages.

The scripts in ``studies/`` call the same modules. Each module has a function ``main(arguments, program) -> int``, which
gets the arguments after the command and the program name for help and messages, and returns the exit status. Errors
that the user can correct are reported by one message and exit status 2, before torch or Ray is imported.
"""
