"""What is decided of objects before they are sent: what of them Braze has been told already."""
