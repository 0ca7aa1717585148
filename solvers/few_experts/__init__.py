"""Few experts per batch: integer programs, a search by exchanges, and a dual bound."""
