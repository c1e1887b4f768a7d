"""Training of sentence encoders: recipe, data, losses, model, and the trainer that joins them (torch lives here)."""
