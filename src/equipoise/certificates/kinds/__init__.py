"""What each kind of certificate states, and how its check is called."""
