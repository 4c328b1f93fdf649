"""What the centre may ask of a running gateway, and how it is asked."""
