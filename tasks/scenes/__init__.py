"""Which objects a generated picture shows: pictures for the small towers that are trained here."""
