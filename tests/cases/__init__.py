"""One module an op family, each with ``CASES``: what every test and benchmark knows of an op."""
