"""Signals: each file is one idea, from a view to a number or None."""
