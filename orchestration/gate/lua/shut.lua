-- Shut a gate for a time, by a closing in the database; with the number of closings in a row.
local wait, step = tonumber(ARGV[6]), tonumber(ARGV[7])
shut(wait)
-- Answers that are under way belong to the same closing: they make no wait longer.
redis.call('HINCRBY', state, 'closings', 1)
if step > tonumber(redis.call('HGET', state, 'step') or 0) then
  redis.call('HSET', state, 'step', step)
end
return shut_until()
