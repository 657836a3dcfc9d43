"""Files by path or URL, local or remote, that nobody can swap for a link, and read on after a break."""
