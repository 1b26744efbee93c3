"""The ledger: what is being read of Apple, page by page."""
