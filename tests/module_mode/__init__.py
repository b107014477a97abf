"""What module mode alone has."""
