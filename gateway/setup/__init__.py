"""The set-up of a box by the person who stands beside it: a page, or questions in the terminal."""
