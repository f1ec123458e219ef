"""What happens, one verb a file, in pipeline order."""
