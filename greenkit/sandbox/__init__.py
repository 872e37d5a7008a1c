"""A pretend utility on loopback, to try greenkit with."""
