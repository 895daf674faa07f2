"""How each backend's part of a spec is read: which secret, which version, as whom."""
