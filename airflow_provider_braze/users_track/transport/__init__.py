"""HTTP to one workspace: connections, and when a request may go."""
