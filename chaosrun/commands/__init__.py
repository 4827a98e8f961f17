"""The subcommands of `chaosrun`, one file each; a file offers its click command as `command`.

A command returns its exit code, or nothing for 0. What it needs beyond click it imports when it is called.
"""
