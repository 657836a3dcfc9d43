"""Where the memory is kept: a file for each bucket of users, held by one push at a time, in place or as a copy."""
