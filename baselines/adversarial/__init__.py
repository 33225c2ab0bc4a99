"""A generator and a critic, taught by each other."""
