"""The workspace: the files a user writes, Pulumi.yaml and Pulumi.<stack>.yaml, and the configuration they add
up to.

`project` the program and its configuration schema, `stack_file` one stack's values, `config` both resolved
for a run.
"""
