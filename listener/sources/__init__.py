"""I/O with each queue: one file per transport, one contract (listener.sources.contract)."""
