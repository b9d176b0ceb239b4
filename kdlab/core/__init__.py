"""Small things that every room may use."""

__version__ = "0.2.0"
