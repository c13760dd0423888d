"""Everything that meets another TLS stack."""
