"""What can be done to a mesh: one layer under the command line, the console and scripts."""
