-- Let a location wait because answers cannot be stored: ever longer, and once for all that were under way. After a
-- while without such a wait, the next is the first again.
local base, cap = tonumber(ARGV[6]), tonumber(ARGV[7])
if shut_until() <= now then
  local known = redis.call('HMGET', state, 'holds', 'held_until')
  local times = now - tonumber(known[2] or 0) < cap and tonumber(known[1] or 0) or 0
  local wait = math.min(cap, base * 2 ^ math.min(times, 30))
  shut(wait)
  redis.call('HSET', state, 'holds', times + 1, 'held_until', string.format('%d', now + wait))
end
return shut_until()
