"""What a Braze workspace holds: its profiles, and what objects do to them."""
