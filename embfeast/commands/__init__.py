"""The commands of `embfeast`, one a file: thin calls of the package.

A module here imports no more than typer at its top: `embfeast --help` reads them all and must
answer at once. What a command needs is imported when it runs.
"""
