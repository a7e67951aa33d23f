"""The lab: the command line, and what it measures, compares and reports.

It never imports an engine or a component: it runs an engine as a command and reads the stack's outputs as JSON.
"""
