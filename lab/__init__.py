"""The lab: the command line, and what it measures, compares and reports.

    commands                a verb a file
    ladder boundaries       the two experiments on isolation
    output                  tables, pictures, the report
    analysis                from samples to a comparison
    measuring               from stacks to samples
    deploying               stacks, and the engine as a command

Each imports only what is below it. The lab never imports an engine or a component: it runs an engine as a command and reads
the stack's outputs as JSON.
"""
