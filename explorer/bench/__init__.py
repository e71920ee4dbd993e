"""How fast explorer is on this machine, measured beside what it replaces."""
