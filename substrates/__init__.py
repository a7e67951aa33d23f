"""How one substrate is operated and observed: start, boot a fresh copy, read back, destroy. No Pulumi in here.

Each substrate is one module with the same headings in the same order, so that two of them can be read side by side; the
difference is the lesson. `contract` says what they have in common.
"""
