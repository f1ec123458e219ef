"""How bytes lie in a vault: records, packs, trees, encryption."""
