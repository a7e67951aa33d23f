"""What each substrate isolates, as a copy of it sees it from inside, next to what it costs.

    look        boot the probe in the service's place, and read what it saw
    findings    what is isolated: one reading compared with that of a plain process of this machine
    table       the table: terminal, Markdown, JSON, HTML

It is data without a verdict: "own" does not mean "safe", and a boundary that is absent may not be needed.
"""
