"""The webhook: takes announcements over HTTP, from callers who prove who they are."""
