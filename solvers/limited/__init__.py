"""Token -> expert with limits on totals: a laminar family of sets is a tree, and the flow runs from leaves to root."""
