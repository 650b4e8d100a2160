"""What kinds of trial are there, and how does the service run each?"""
