"""`vmlab boundaries`: what each substrate keeps apart, as a copy of it sees it from inside, next to what it costs.

    look        boot the probe in the service's place, and read what it saw
    findings    whose is what: one reading held against another from a plain process of this machine
    show        the table: terminal, Markdown, JSON, HTML
    verb        the command

It is data, no verdict: "own" is not "safe", and a boundary that is not drawn may not be needed.
"""
