"""The log: topics, partitions, offsets and consumer groups, whoever keeps them."""
