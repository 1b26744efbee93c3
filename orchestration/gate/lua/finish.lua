-- A task has ended: delete its message, and admit the next one.
forget(ARGV[6])
return admit()
