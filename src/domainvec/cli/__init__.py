"""The command line: parse, call, print. What it calls is Python anyone can call, loaded when a command runs."""
