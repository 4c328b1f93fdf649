"""The composition root: builds the components, connects them, runs them and stops them."""
