"""What is remembered: one port, several backends, one contract suite."""
