"""The inventory of a site: sections, differences, topology, debouncing, service, store."""
