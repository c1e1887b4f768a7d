"""The training loop: batches, the trainer and its arguments, when it evaluates, saves and stops, the Hub."""
