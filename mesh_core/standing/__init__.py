"""How a node sees others' standing: who can pay, who may run a job and in which order, and what that costs."""
