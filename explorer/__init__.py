"""Explore the design space of formula-driven supervised learning (FDSL)."""

__version__ = "0.1.0"
