"""Monthly documents as the centre takes them: collected, checked, kept, counted."""
