"""From a recovery point back to a running application."""
