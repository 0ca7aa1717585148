"""Published predictors of expert load, and the floors they must beat."""
