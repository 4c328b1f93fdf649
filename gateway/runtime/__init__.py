"""Clock, supervision, rate limits, resolver, atomic files, logging, redaction."""
