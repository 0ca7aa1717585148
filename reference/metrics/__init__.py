"""Published metrics of balance, and the auxiliary losses."""
