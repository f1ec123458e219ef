"""Test restores: scratch namespaces, checks, verdicts."""
