"""In-context learning: linear and piecewise linear regression, and classes, learned in context or in weights."""
