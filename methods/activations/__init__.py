"""Methods that edit hidden states."""
