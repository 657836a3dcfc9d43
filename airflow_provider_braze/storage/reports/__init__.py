"""The reports folder: a folder for each push, and markers of exports and shards pushed or refused."""
