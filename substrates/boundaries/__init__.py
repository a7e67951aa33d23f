"""What a substrate's boundary looks like from inside: one program, the same on all of them, run in the service's place.

`with_probe(definition, settings)` of each substrate is the definition of a copy that runs the probe instead of the service;
`boot` it, ask it once, `destroy` it. Nothing is built or mounted for it: the program travels in the environment, and the
artifact's own interpreter executes it from memory.

    program      the compiled probe, and how a command is made to carry it
    reading      what it answered, parsed

Out of scope: a service of the user's without our interpreter, and running as root, which the service never does.
"""
