"""What does a sweep run on? Nodes, places, devices, and what made the results."""
