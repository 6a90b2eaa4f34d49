"""A user's own questions about pictures: tables of any known layout, scored by the rule of their kind."""
