"""Kubernetes quantities, which both sides of the ports speak."""

from __future__ import annotations

_SUFFIXES = {
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60,
    "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18,
}  # fmt: skip


def parse_quantity(text: str) -> int:
    """Bytes of a Kubernetes quantity such as `10Gi`, `1.5G`, `1e9`, rounded up (API reference,
    "Quantity"). Raises ValueError on anything else."""
    for suffix, factor in _SUFFIXES.items():
        if text.endswith(suffix):
            return -int(-float(text.removesuffix(suffix)) * factor // 1)
    return -int(-float(text) // 1)
