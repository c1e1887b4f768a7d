"""The commands of `naru`. They alone on the ground import a stage, and only inside a command."""
