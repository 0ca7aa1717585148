"""Studies: instances x methods x seeds from a declarative description, resumable, with a report to look at."""
