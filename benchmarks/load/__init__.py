"""The process that makes the load: a client of one system, apart from the suite so that only its own work counts.

`python -m benchmarks.load SYSTEM OPTIONS` connects, prints `{"ready": true}`, then reads one `Order` a line from its
standard input and prints one `Measured` a line. It ends with its standard input.
"""
