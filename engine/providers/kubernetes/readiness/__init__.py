"""When an object counts as ready, and what to say when it does not become so.

    view.py         what a rule sees, and its verdict
    table.py        which rule a kind has, and how long it may take
    workloads.py service.py storage.py    the rules, by kind
    expressions.py  rules that the user writes: the annotation pulumi.com/waitFor
    pods.py         why pods are not running: their states, events and logs
    waiting.py      asking until a rule is met

The rules are the official provider's (provider/pkg/await; docs/engine-rules.md 2.1). Where they are stricter or sooner it
is stated there.
"""
