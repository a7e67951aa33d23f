"""How far the lab's own measuring can be believed: against `docker run` by hand, a known delay, and a known instant."""
