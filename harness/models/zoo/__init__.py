"""Models of the zoo as a backend: small mixers, trained here, that read series of symbols or vectors."""
