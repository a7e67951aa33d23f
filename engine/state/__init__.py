"""State: what the engine remembers between runs, in Pulumi's own format and at Pulumi's own paths.

`resource` the record, `snapshot` a list of them with its rules, `checkpoint` its JSON, `secrets` the cipher,
`backend` the directory, `lock` who may write, `journal` the order of writes around each step.
"""
