"""What a user wants changed of objects on their way back: rules with conditions, and maps."""
