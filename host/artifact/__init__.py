"""The artifact: one root file system with the service in it, from Debian packages, and the images made of it.

`definition` reads service.toml, `apt` resolves versions, `rootfs` makes the trees, `contents` puts the service in, `tree`
makes them the same each time, `manifest` gives them their digest, `archive` packs, `image` describes and pushes,
`index` lists what there is, `build` puts it together behind a cache. What is made is read through `substrates.artifact`.
"""
