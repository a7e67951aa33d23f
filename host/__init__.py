"""What the machine must offer: packages, daemons, a registry.

Everything that is started here is recorded, so that `vmlab host down` stops just that.
"""
