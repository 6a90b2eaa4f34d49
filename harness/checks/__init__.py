"""What every method and every task must keep to, checked on small models and on a task's own records.

`harness check` runs these for an author; the tests run the same functions for what ships.
"""
