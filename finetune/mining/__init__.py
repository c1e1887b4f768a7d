"""The parts of `finetune.negatives`: the corpus on disk, its rankings, settings and the report."""
