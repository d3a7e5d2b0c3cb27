"""What moved, where, and the likeliest causes."""
