"""The command line: parse, call, print; what is called is loaded when a command runs."""
