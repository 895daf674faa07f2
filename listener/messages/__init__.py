"""What the clouds say: one file per cloud, pure functions from a body to what it means."""
