-- Admit the messages that may run now.
return admit()
