"""What has landed."""
