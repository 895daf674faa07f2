"""What both halves agree on: the resource model, identities, the ledger, the Kubernetes seam."""
