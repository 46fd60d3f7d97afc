"""Views become a field."""
