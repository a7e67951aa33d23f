"""The artifact: one root file system with the service in it, from Debian packages, and the image made of it.

`definition` reads service.toml, `rootfs` makes the trees, `manifest` gives them their digest, `image` pushes, `build`
puts it together behind a cache. What is made is read through `substrates.artifact`.
"""
