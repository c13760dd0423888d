"""The table of what RFC 9846 demands, and what the tests have to do with it: README.md says how."""
