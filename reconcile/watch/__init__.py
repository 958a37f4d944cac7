"""Checks that never end: keys looked at as they change, all of them within a time, none too fast."""
