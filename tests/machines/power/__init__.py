"""Power cuts: the product's state on a disk that loses what was not flushed."""
