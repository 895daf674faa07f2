"""`hark diff`: what the reconciler would do to the Secrets of a cluster, without doing it."""
