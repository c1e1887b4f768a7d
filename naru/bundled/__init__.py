"""Package data: encoder bundles that come with naru, one folder each. Opened by `naru.encoder.open_encoder`."""
