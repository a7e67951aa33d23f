"""The isolation ladder: one continuous waterfall from `fork+exec` to a cluster, a kernel feature a step.

steps       what is booted: every prefix of the rungs, a runtime alone, Docker, and the stacks that are up
climb       booting them in shuffled blocks, each sample kept as soon as it exists
gives       what each rung isolates, seen from inside
figures     medians and intervals, and what each step adds, paired by block
table       the table and the page
staircase   the picture
"""
