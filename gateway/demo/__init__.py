"""A national centre in miniature: virtual cameras, broker, gateway and page."""
