-- Shut a gate for so long, since somebody remembers that Apple wanted that; and how often in a row.
local wait, step = tonumber(ARGV[5]), tonumber(ARGV[6])
shut(wait)
if step > tonumber(redis.call('HGET', state, 'step') or 0) then
  redis.call('HSET', state, 'step', step)
end
return shut_until()
