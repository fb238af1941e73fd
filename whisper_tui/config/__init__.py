"""The configuration file of the console: what it may say, what it says, and what is in force."""
