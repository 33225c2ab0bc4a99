"""How runs are carried out: one process a run, here or elsewhere."""
