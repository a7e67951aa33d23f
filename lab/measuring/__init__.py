"""Measuring: fresh copies of every stack in shuffled blocks, and the files in which each sample is kept.

subjects   a stack that is up, and how copies of it are made
plan       how many boots, in which order
blocks     the loop over blocks and subjects
boots      one copy's life, and what is kept of it
load       requests to a running copy
samples    one measured value
runs       the files of a run
schema     what those files must contain (docs/schema)
host       what was measured where
"""
