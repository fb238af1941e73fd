"""A job as one single-decree Paxos instance: witnesses, claims and holders, and what they signed before."""
