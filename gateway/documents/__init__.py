"""Monthly documents of a province: found, checked, signed, sent in pieces, acknowledged."""
