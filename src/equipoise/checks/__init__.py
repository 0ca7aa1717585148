"""The properties that a balancer must satisfy, one function each, and the search for what breaks them."""
