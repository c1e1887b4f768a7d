"""The parts of `finetune.losses`: our own losses, those that ask a teacher, and variants of the library's."""
