"""What did the user ask for? Flags, the request read from them, and the plan of trials."""
