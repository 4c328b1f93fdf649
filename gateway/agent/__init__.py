"""Who does what, when: composition, supervision, signalling, reporting."""
