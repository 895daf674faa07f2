"""One small file per system that holds secrets, one contract (reconciler.backends.contract)."""
