"""What is seen: live view, static output, terminal. Everything a model wrote is treated as hostile here."""
