"""The audit: who has watched what, as a chain of hashes that shows what was changed or removed."""
