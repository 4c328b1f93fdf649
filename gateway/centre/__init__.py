"""The centre's side of a gateway's configuration: sign, look over, send, follow."""
