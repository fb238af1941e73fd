"""A job as one single-decree Paxos instance: committees, witnesses, holders, certificates."""
