"""What does a sweep run on? Nodes, GPUs and storage, and the code that makes the numbers."""
