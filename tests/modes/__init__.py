"""What holds for both modes alike."""
