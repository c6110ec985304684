"""What an audit says and who signed it: low enough that a process can check, at its start, whether it may speak."""
