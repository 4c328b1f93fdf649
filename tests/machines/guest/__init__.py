"""What runs in the guest, with the Python of the installed release."""
