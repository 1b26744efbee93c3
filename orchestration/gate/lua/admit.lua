-- Admit whatever may run now.
return admit()
