"""The program: the user's Pulumi program in a process of its own, run by the stock SDK.

`source` is the engine's side; `executor` is the script that the program's interpreter runs.
"""
