"""What keras mode alone has."""
