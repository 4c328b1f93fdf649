"""Who may watch: view tokens, the tokens that have been used, and people whose right is revoked."""
