"""Deploying: from what the program wants (goals) to what is (states), one step a resource.

Reading order: `goal`, `events`, `registry` (providers), `differences`, `generator` (which step), `steps` (what it does),
`deployment` (the shared memory of a run), `monitor` (the program's door), `deletes`, `refresh`, `recovery`,
`operations` (preview, up, refresh, destroy).
"""
