"""What a recovery point is: identity, layout, manifest, catalog."""
