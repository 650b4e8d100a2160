"""How is a network trained? The loop, what is changed in it, and what must be known before."""
