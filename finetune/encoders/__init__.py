"""What a model is made of where it does not come as it is: tokenizer, new tokens, fresh weights, the Hub's cache, bf16."""
