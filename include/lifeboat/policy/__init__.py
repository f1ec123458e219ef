"""What the user asked for: policies, selection, retention."""
