"""Opens filled survey forms with an office program and reads what a person would see."""
