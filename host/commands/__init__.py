"""The verbs of `vmlab host` and `vmlab doctor`, above the parts that they bring up, take down and examine."""
