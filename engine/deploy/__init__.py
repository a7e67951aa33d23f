"""Deploying: from what the program declares (goals) to what exists (states), one step a resource.

Reading order: `goal`, `events`, `provider_resources`, `differences`, `generator` (which step), `steps` (what it does),
`deployment` (the shared memory of a run), `monitor` and `program_run` (the program's gRPC services),
`deletes`, `refresh`, `recovery`, `stack_operation` (preview, up, refresh, destroy).
"""
