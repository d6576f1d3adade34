"""Every layer under every tool of PyTorch: the table, the tools, and what they found."""
