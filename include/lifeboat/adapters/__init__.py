"""One file per real thing behind a port."""
