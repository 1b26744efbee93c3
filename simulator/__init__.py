"""Apple's side of the wire, for the demo and the tests. Imports nothing of ours: it would hide our mistakes."""
