"""What a later try goes on from: checkpoints, what may go out between two, the write-ahead log."""
