"""Token -> expert, at most M of N groups per token: integer programs compared with each other, and a dual bound."""
