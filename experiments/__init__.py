"""The command lines: thin mains over mrjax."""
