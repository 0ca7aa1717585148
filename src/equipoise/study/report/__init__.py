"""What comes out of a study: Markdown that diffs well, and one HTML page that needs nothing else."""
