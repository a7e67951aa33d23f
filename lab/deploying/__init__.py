"""Deploying: the stacks there are, and an engine that is run as a command to bring them up and down.

engines       which engine, with which words and environment
stacks        the stacks, and the engine's verbs on them
outputs       what a stack exports
preparation   what the stacks need of this machine
"""
