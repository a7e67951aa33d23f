"""Create, read, update and delete where Pulumi has no provider: dynamic resources, thin over `substrates`.

A class here is named in the state as `<module>.<class>`, so modules and classes never move. They hold no state of their
own and are pickled by reference. Every input has a `name` from which the id follows, so that a create whose answer was
lost is found again (the provider never sees its URN).
"""
