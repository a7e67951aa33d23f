"""The verbs: one file each, with `run(options) -> exit code`; `lab/cli.py` parses and dispatches.

run measure             boots, samples, a table
compare report          what samples that exist show
ladder boundaries       kernel features one by one, and what is isolated
gc                      removal by label
engine                  the engine's verbs
suite                   the tests
options                 flags that several verbs take
"""
