"""The simulation: seeded lives of an installation in one process, in which everything that may go wrong does.

A life has one location, two processes, and a simulated Apple whose data change while they are read. Tasks take turns at
every use of the database and at every request, in an order that the seed decides. Messages are lost, delayed and
delivered twice; processes are killed between two writes; the gate's memory is emptied. After each life the mirror must
be what Apple has. The same seed is the same life: `python -m tests.simulation SEED` plays it alone.
"""
