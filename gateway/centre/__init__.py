"""The command centre's side of a configuration: sign, verify, push, follow."""
