"""A corpus: documents of a folder, cut into passages, indexed once, divided into shards."""
