"""Remote commands: admitted, executed once, journalled, answered."""
