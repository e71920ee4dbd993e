"""How fast explorer is, measured beside the plain way in the same run; from a checkout only."""
