"""Token -> expert, at most M of N groups per token: integer programs held against each other, and a dual bound."""
