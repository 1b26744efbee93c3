"""What Apple says: resources, pages, errors, tokens and the client that asks. Knows nothing of ours."""
