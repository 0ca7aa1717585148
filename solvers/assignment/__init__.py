"""Token -> expert: the assignment problem of MoE routing, as min-cost flow, LP and 0/1 ILP."""
