"""Pictures become views: decoded, matted, framed together."""
