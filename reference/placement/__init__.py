"""Published placers: how many replicas an expert gets, and into which slots they go."""
