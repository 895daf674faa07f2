"""The command line, and the putting together of both halves."""
