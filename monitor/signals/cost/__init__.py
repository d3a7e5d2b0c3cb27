"""What calls cost: tokens, time and money."""
