"""What is a trial? A network's life from settings to measurements, of each kind."""
