"""What a run says: log and terminal, report and curves, the record of what it was made from, the model card."""
