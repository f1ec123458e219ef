"""Measurements against the bars; each module prints a line a bar."""
