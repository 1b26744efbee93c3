-- A task ended: its message is forgotten, and the next one may come.
forget(ARGV[5])
return admit()
