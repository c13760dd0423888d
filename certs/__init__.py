"""The PKI workshop."""
