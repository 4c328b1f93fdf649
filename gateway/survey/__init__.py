"""The survey form of dispatch 10362, filled from the inventory: per site, province and country."""
