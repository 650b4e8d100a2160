"""What does the user ask for? Options, the request read from them, and the plan of trials that they make."""
