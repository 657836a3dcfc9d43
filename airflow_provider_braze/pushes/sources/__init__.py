"""What a push is about: the export asked for, its records mapped to objects, and which are of a shard."""
