"""The accuracy of the lab's measurements: against `docker run` by hand, a known delay, and a known instant."""
