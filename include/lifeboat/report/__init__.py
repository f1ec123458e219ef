"""What people are told: objectives, coverage."""
