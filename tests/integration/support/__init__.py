"""What integration tests share: clusters, programs, back ends, relays, clients. conftest.py makes fixtures of it."""
